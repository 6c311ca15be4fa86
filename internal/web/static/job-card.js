// One job: Run, and how its newest run goes or went.

import * as api from "./api.js";
import { attribute, clone, glyph, optional, text } from "./dom.js";
import { age, duration, label, printable, scalar } from "./format.js";
import { RunDialog } from "./run-dialog.js";
import { ended } from "./store.js";
import { isEmpty, showValue } from "./value-view.js";

const glyphs = {
  idle: "idle", queued: "pending", running: "running", cancelling: "running", succeeded: "ok",
  failed: "failing", cancelled: "cancelled", timed_out: "stale", lost: "failing",
};

export class JobCard {
  node = clone("job-card");
  #part = (selector) => this.node.querySelector(selector);
  #title = this.#part(".title");
  #state = this.#part(".state");
  #progress = this.#part(".progress");
  #bar = this.#part("progress");
  #percent = this.#part(".percent");
  #elapsed = this.#part(".elapsed");
  #message = this.#part(".message");
  #error = this.#part(".error");
  #with = this.#part(".with");
  #result = this.#part(".result");
  #output = this.#part(".output");
  #problem = this.#part(".problem");
  #when = this.#part(".when");
  #cancel = this.#part("button.cancel");
  #start = this.#part("button.run");

  #job; #run; #starting = false;
  #started; // called with the run that a trigger answered

  constructor(started) {
    this.#started = started;
    this.#start.addEventListener("click", () => this.#press());
    this.#cancel.addEventListener("click", () => this.#stop());
  }

  /** Shows a job and its newest run, if it ever ran. */
  update({ job, run }) {
    if (this.#run?.id !== run?.id) optional(this.#problem, "");
    this.#job = job;
    this.#run = run;
    const status = run?.status ?? "idle";
    const title = printable(job.title || job.name);
    this.node.dataset.state = status;
    this.node.dataset.name = job.name;
    this.node.dataset.run = run?.id ?? "";
    text(this.#title, title);
    glyph(this.#state, glyphs[status] ?? "pending");
    text(this.#state.lastElementChild, status === "idle" ? "not run yet" : status.replace("_", " "));
    attribute(this.#bar, "aria-label", `${title} progress`);
    this.#buttons(title, run);
    this.#showProgress(run);
    optional(this.#message, run?.message && printable(run.message));
    optional(this.#error, run?.error && run.error !== status && printable(run.error)); // "cancelled" is said once
    optional(this.#with, run && conditions(run));
    this.#result.hidden = isEmpty(run?.result);
    showValue(this.#result.lastElementChild, run?.result);
    this.#output.hidden = !run?.output;
    text(this.#output.lastElementChild, run?.output && printable(run.output));
    attribute(this.#output.lastElementChild, "aria-label", `${title} output`);
    text(this.#when, run && when(run));
  }

  #showProgress(run) {
    const known = typeof run?.percent === "number";
    const going = run && !ended(run);
    // Where it stopped is worth seeing, unless that is the end.
    this.#progress.hidden = !(going || (known && run.status !== "succeeded"));
    if (this.#progress.hidden) return;
    attribute(this.#bar, "value", known ? String(run.percent) : null); // none: indeterminate
    text(this.#percent, known ? `${Math.floor(run.percent)} %` : run.status === "queued" ? "waiting" : "working");
    text(this.#elapsed, duration((run.finished_at ? Date.parse(run.finished_at) : api.now()) - Date.parse(run.started_at)));
  }

  #buttons(title, run) {
    const going = run && !ended(run);
    // Cancel goes with the run; whoever stands on it lands on Run.
    if (!going && document.activeElement === this.#cancel) this.#start.focus();
    const may = this.#job.allowed !== false; // the server checks again
    this.#cancel.hidden = !going || !may;
    this.#cancel.ariaDisabled = String(run?.status === "cancelling");
    this.#cancel.ariaLabel = `Cancel ${title}`;
    this.#start.ariaDisabled = String(Boolean(going || this.#starting || !may));
    this.#start.title = may ? "" : "You may not run this job.";
    this.#start.ariaLabel = `${going ? "Running" : "Run"} ${title}`;
    text(this.#start, this.#starting ? "Starting" : going ? "Running" : run ? "Run again" : "Run");
  }

  #press() {
    if (this.#start.ariaDisabled === "true") return;
    if (Object.keys(this.#job.args ?? {}).length > 0) new RunDialog(this.#job, this.#started);
    else this.#trigger();
  }

  async #trigger() {
    this.#starting = true;
    await this.#attempt(async () => this.#started(await api.start(this.#job.name, {})));
    this.#starting = false;
    this.update({ job: this.#job, run: this.#run });
  }

  #stop() {
    if (this.#cancel.ariaDisabled === "true") return;
    this.#attempt(() => api.cancel(this.#run.id));
  }

  /** Makes a request; that it failed stands on the card. */
  async #attempt(request) {
    optional(this.#problem, "");
    this.update({ job: this.#job, run: this.#run });
    try {
      await request();
    } catch (problem) {
      optional(this.#problem, printable(problem.message));
    }
  }
}

/** With what a run was started, and by how many. */
function conditions({ args, requests }) {
  const parts = Object.entries(args ?? {}).map(([name, value]) => `${label(name)} ${scalar(value)}`);
  if (requests > 1) parts.push(`joined by ${requests - 1} ${requests === 2 ? "other" : "others"}`);
  return parts.join(" · ");
}

function when(run) {
  if (!ended(run)) return "";
  const begin = Date.parse(run.started_at), end = Date.parse(run.finished_at);
  if (Number.isNaN(end)) return "";
  const took = end - begin < 1000 ? `${end - begin} ms` : duration(end - begin);
  return `${age(api.now() - end)} · took ${took}`;
}
