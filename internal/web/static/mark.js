// What is seen of a page while others are in front of it: the number in its title, the colour and the sign of its icon, and the
// number on the icon of the installed app. They say what the verdict says, or the head of the page, and nothing else.
//
// A page that is hidden for a minute has no connection, so nothing is claimed then.

const HIDDEN = 60_000; // ms after which tidewire.js gives up the connection of a hidden page

const bad = ["#b3221b", "M12 5.5v8M12 18v.01"], old = ["#875300", "M12 6v6.5l4 2.5"];
const looks = {
  alert: bad, failing: bad, acknowledged: bad, timed_out: bad, lost: bad, stale: old, warned: old,
  unknown: ["#566270", "M9 9.2c0-3.6 6-3.6 6 0 0 2.3-3 2.3-3 4.8M12 18v.01"],
};

const icon = document.querySelector("link[rel=icon]");
const plain = icon.href, title = document.title.replace(/^\(.*?\) /, "");
let shown = "", timer = 0;

/** Shows a state, and how many there are: a number, or "?" if that is not known. */
function show(state, count) {
  if (shown === (shown = `${state} ${count}`)) return;
  document.title = count ? `(${count}) ${title}` : title;
  const [fill, path] = looks[state] ?? [];
  icon.href = fill ? `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5.5" fill="${fill}"/><path d="${path}" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>`)}` : plain;
  if (count > 0) navigator.setAppBadge?.(count).catch(() => {});
  else navigator.clearAppBadge?.().catch(() => {});
}

const said = document.querySelector("main :is(.verdict, .head)");

function look() {
  const { state } = said.dataset, counts = [...said.querySelectorAll("h1 b")];
  if (!said.matches(".verdict")) show(state, 0);
  else if (state === "unknown" && counts.length === 0) show(state, "?");
  else show(state, counts.reduce((sum, { textContent }) => sum + Number(textContent), 0));
}

if (said) {
  new MutationObserver(look).observe(said, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-state"] });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => show("", 0), HIDDEN);
    else look();
  });
  addEventListener("pagehide", () => show("", 0));
  look();
}
