// Jobs as rows: what the server has drawn is taken over by data-key.

import { arrange, blank, fill } from "./fill.js";
import { drawStrip, strip } from "./strip.js";
import { jobRow } from "./view.js";

export class JobList {
  #root; #engine; #job; #now;
  #rows = new Map(); // by name: {node, mark (of its strip)}

  /** job(name) gives a job with its newest run as last_run, now() the time. */
  constructor(root, engine, { job, now }) {
    [this.#root, this.#engine, this.#job, this.#now] = [root, engine, job, now];
    for (const node of root.querySelectorAll(":scope > [data-key]")) this.#hold(node.dataset.key.slice("job/".length), node);
  }

  /** Shows exactly these jobs. */
  show(names) {
    const wanted = new Set(names);
    for (const [name, { node }] of this.#rows) {
      if (wanted.has(name)) continue;
      this.#engine.drop(node);
      this.#rows.delete(name);
    }
    arrange(this.#root, names.map((name) => (this.#rows.get(name) ?? this.#hold(name, blank("job"))).node));
  }

  /** Says that a job has changed. */
  touch(name) {
    const row = this.#rows.get(name);
    if (row) this.#engine.touch(row.node);
  }

  #hold(name, node) {
    const row = { node, mark: "" };
    node.dataset.key = `job/${name}`;
    this.#rows.set(name, row);
    this.#engine.add(node, () => this.#draw(name, row), true);
    return row;
  }

  #draw(name, row) {
    const job = this.#job(name), now = this.#now();
    if (!job) return;
    const is = jobRow(job, now);
    fill(row.node, is);
    const run = job.last_run, mark = [job.strip?.at(-1)?.id, run?.id, run?.status, is.elapsed].join();
    if (mark === row.mark) return;
    row.mark = mark;
    drawStrip(row.node.querySelector(".strip"), strip(job, now));
  }
}
