// What can be done when a job does not start because a run of it is in progress: wait for its end, or cancel it.

const root = document.documentElement.dataset.root;

/** Waits until a run is over, or is not known any more. */
async function over(run, signal) {
  for (let tag = ""; ;) {
    const answer = await fetch(`${root}api/v1/runs/${run}`, { headers: { Accept: "application/json", Prefer: "wait=25", "If-None-Match": tag }, signal, cache: "no-store" });
    if (answer.status === 304) continue;
    if (!answer.ok || (await answer.json()).finished_at) return;
    tag = answer.headers.get("ETag") ?? "";
  }
}

/** Offers that beside a message in a form; again() is called when the run is over. */
export function busy(form, message, run, again) {
  const link = document.createElement("a");
  link.href = `${root}runs/${run}`;
  link.textContent = "Open that run";
  const leaving = new AbortController();
  form.closest("dialog")?.addEventListener("close", () => leaving.abort());
  const choices = [["Run when it has ended", () => {}], ["Cancel it and run", () => fetch(`${root}runs/${run}/cancel`, { method: "POST", headers: { Accept: "application/json" } })]].map(([text, first]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = text;
    button.addEventListener("click", async () => {
      message.textContent = "Starts when that run has ended. Close this to abandon the start.";
      message.dataset.state = "waiting";
      try {
        await first();
        await over(run, leaving.signal);
        message.remove();
        again();
      } catch (problem) {
        if (problem.name !== "AbortError") message.textContent = "The server does not answer: try again";
      }
    });
    return button;
  });
  message.append(" ", link, ...choices);
}
