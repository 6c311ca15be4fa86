// One job: Run, the state of its newest run, and the queue.

import { AlertView } from "./alert-view.js";
import * as api from "./api.js";
import * as clock from "./clock.js";
import { attribute, clone, glyph, List, optional, text } from "./dom.js";
import { age, duration, excerpt, label, moment, printable, scalar, timeOfDay } from "./format.js";
import { OutputTail } from "./output-tail.js";
import { RunDialog } from "./run-dialog.js";
import { ended } from "./store.js";
import { isEmpty, showValue } from "./value-view.js";
import { fires } from "./views.js";

const glyphs = {
  idle: "idle", queued: "pending", running: "running", cancelling: "running", succeeded: "ok",
  failed: "failing", cancelled: "cancelled", timed_out: "stale", lost: "failing",
};

// The states that ask for nobody.
const settled = new Set(["idle", "succeeded", "cancelled"]);

// The label of Run while a run is in progress, for the policies that allow a start then.
const busy = { queue: "Queue", replace: "Replace" };
const QUEUED = 5; // runs shown of a queue; the others are counted

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
  #output = this.#part(".output pre");
  #tail; // of the output
  #queue = this.#part(".queue");
  #queued; // its rows
  #problem = this.#part(".problem");
  #when = this.#part(".when");
  #next = this.#part(".next");
  #by = this.#part(".by");
  #cancel = this.#part("button.cancel");
  #start = this.#part("button.run");

  #item; #job; #run; #starting = false;
  #reason = ""; // why the user may not start or cancel it
  #dialog = null;
  #alert;
  #changed; #started;

  /**
   * `changed` is called when there is something to draw, `say` gets a sentence for people, `started` the run in the answer
   * to a trigger.
   */
  constructor(changed, say, started) {
    this.#changed = changed;
    this.#alert = new AlertView(this.node, say);
    this.#started = started;
    this.#tail = new OutputTail(this.#part(".output"), changed);
    this.#queued = new List(this.#part(".queue ol"), (id) => new QueuedRun(() => this.#attempt(() => api.cancel(id))), this.#start);
    this.#start.addEventListener("click", () => this.#press());
    this.#cancel.addEventListener("click", () => this.#stop());
  }

  /**
   * Shows a job, its newest run, if it ever ran, its alert, and the silence that holds for that. `refusal` says why whoever
   * looks may not do what an operator may, `offered` whether they may silence it, `still` whether nothing is to move on,
   * mine() which runs this page has started, and `by` shows the replica that runs it.
   */
  update(item) {
    const { job, run, alert, silence, told, wider, offered, refusal, mine, still, by } = item;
    if (this.#run?.id !== run?.id) optional(this.#problem, "");
    this.#item = item;
    this.#job = job;
    this.#run = run;
    this.#reason = job.allowed ? "" : refusal || "You may view this job but not start or cancel it.";
    const status = run?.status ?? "idle";
    const title = printable(job.title || job.name);
    this.node.dataset.state = status;
    this.node.dataset.name = job.name;
    this.node.dataset.run = run?.id ?? "";
    text(this.#title, title);
    const warned = run?.warned ? ", with a warning" : "";
    const outranked = fires(alert) && settled.has(status); // such as a start that was missed since
    glyph(this.#state, outranked ? "bell" : run?.warned ? "stale" : glyphs[status] ?? "pending");
    text(this.#state.lastElementChild, outranked ? "alert" : status === "idle" ? "not run yet" : status.replace("_", " ") + warned);
    this.node.classList.toggle("outranked", outranked);
    this.#alert.update({ key: `job/${job.name}`, title, alert, silence, told, wider }, offered);
    attribute(this.#bar, "aria-label", `${title} progress`);
    this.#buttons(title, job, run);
    this.#showProgress(run, job);
    optional(this.#message, run?.message && printable(excerpt(run.message)));
    optional(this.#error, run?.error && run.error !== status && printable(excerpt(run.error))); // "cancelled" once
    optional(this.#with, run && conditions(run, mine(run.id)));
    this.#result.hidden = isEmpty(run?.result);
    showValue(this.#result.lastElementChild, run?.result, `Result of ${title}`);
    if (!still) this.#tail.update(run);
    attribute(this.#output, "aria-label", `${title} output`);
    this.#showQueue(job, mine);
    text(this.#when, run && when(run));
    const next = Date.parse(job.next_at);
    optional(this.#next, next > clock.now() ? `next ${timeOfDay(next, clock.now())}` : "");
    this.#next.title = this.#next.hidden ? "" : moment(new Date(next));
    by.show(this.#by);
    this.#dialog?.update(run);
  }

  #showQueue(job, mine) {
    const { queue, queued } = job;
    this.#queue.hidden = queued === 0;
    const others = queued > QUEUED ? `; the first ${QUEUED}:` : "";
    text(this.#queue.firstElementChild, `${queued} waiting${others}`);
    const rows = queue.slice(0, QUEUED).map((run) => [run.id, { run, job, mine: mine(run.id) }]);
    this.#queued.show(new Map(rows));
  }

  #showProgress(run, { group }) {
    const known = typeof run?.percent === "number";
    const going = run && !ended(run);
    // Shows where the run stopped, unless that is the end.
    this.#progress.hidden = !(going || (known && run.status !== "succeeded"));
    if (this.#progress.hidden) return;
    attribute(this.#bar, "value", known ? String(run.percent) : null); // none: indeterminate
    const waiting = `${run.position ?? 0} before it${group ? ` in the group ${printable(group)}` : ""}`;
    text(this.#percent, known ? `${Math.floor(run.percent)} %` : run.status === "queued" ? waiting : "working");
    const took = (run.finished_at ? Date.parse(run.finished_at) : clock.now()) - Date.parse(run.started_at ?? run.created_at);
    const left = going && run.percent >= 5 && took > 5_000 ? (took * (100 - run.percent)) / run.percent : 0;
    text(this.#elapsed, left > 0 ? `${duration(took)}, about ${duration(left)} left` : duration(took));
  }

  #buttons(title, job, run) {
    const going = run && !ended(run);
    // Cancel disappears with the run; then Run gets the focus.
    if (!going && document.activeElement === this.#cancel) this.#start.focus();
    this.#cancel.hidden = !going || this.#reason !== "";
    const all = run?.requests > 1 ? ` for all ${run.requests}` : "";
    this.#cancel.ariaDisabled = String(run?.status === "cancelling");
    this.#cancel.ariaLabel = `Cancel${all}: ${title}`; // what is read aloud begins with what is seen
    text(this.#cancel, `Cancel${all}`);

    const wait = Date.parse(job.available_at) - clock.now();
    const label = this.#starting ? "Starting" :
      going && !busy[job.on_busy] ? "Running" :
      wait > 0 ? `Available in ${duration(wait)}` :
      going ? busy[job.on_busy] : run ? "Run again" : "Run";
    const able = label === "Run" || label === "Run again" || label === busy[job.on_busy];
    this.#start.ariaDisabled = String(Boolean(this.#reason) || !able);
    this.#start.ariaLabel = `${label}: ${title}`;
    this.#start.title = this.#reason;
    this.#start.firstElementChild.toggleAttribute("hidden", !this.#reason);
    text(this.#start.lastElementChild, label);
  }

  #press() {
    if (this.#reason) return optional(this.#problem, this.#reason);
    if (this.#start.ariaDisabled === "true") return;
    if (!this.#job.confirm && Object.keys(this.#job.args).length === 0) return this.#trigger();
    this.#dialog = new RunDialog(this.#job, this.#run?.args, this.#started, () => { this.#dialog = null; });
  }

  async #trigger() {
    this.#starting = true;
    await this.#attempt(async () => this.#started(await api.start(this.#job.name, {})));
    this.#starting = false;
    this.#changed();
  }

  #stop() {
    if (this.#cancel.ariaDisabled === "true") return;
    this.#attempt(() => api.cancel(this.#run.id));
  }

  /** Makes a request; a failure is shown on the card. */
  async #attempt(request) {
    optional(this.#problem, "");
    this.update(this.#item);
    try {
      await request();
    } catch (problem) {
      optional(this.#problem, printable(problem.message));
    }
  }
}

/** One run of the queue: its arguments, and how many others are before it. */
class QueuedRun {
  node = clone("queued-run");
  #remove = this.node.querySelector("button");

  constructor(remove) {
    this.#remove.addEventListener("click", remove);
  }

  update({ run, job, mine }) {
    const before = run.position === 1 ? "next" : `${run.position} before it`;
    text(this.node.firstElementChild, [before, given(run.args), mine && "yours"].filter(Boolean).join(" · "));
    this.#remove.hidden = !job.allowed;
    this.#remove.ariaLabel = `Remove from the queue of ${printable(job.title || job.name)}: ${given(run.args) || before}`;
  }
}

/** The arguments of a run, and how many users share it. */
function conditions({ args, requests }, mine) {
  const others = `${requests - 1} ${requests === 2 ? "other" : "others"}`;
  const shared = requests > 1 && (mine ? `you and ${others}` : `joined by ${others}`);
  return [given(args), shared].filter(Boolean).join(" · ");
}

/** The arguments of a run in a line. */
function given(args) {
  return Object.entries(args ?? {}).map(([name, value]) => `${label(name)} ${scalar(value)}`).join(" · ");
}

function when(run) {
  if (!ended(run)) return "";
  const begin = Date.parse(run.started_at), end = Date.parse(run.finished_at);
  if (Number.isNaN(end)) return "";
  if (Number.isNaN(begin)) return age(clock.now() - end); // it never started
  const took = end - begin < 1000 ? `${end - begin} ms` : duration(end - begin);
  return `${age(clock.now() - end)} · took ${took}`;
}
