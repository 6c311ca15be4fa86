// The end of the output of a run, live while it is visible.
//
// Requested once a second: a long poll would occupy one of the six connections that browsers have for a host on
// HTTP/1.1, and a few of them would leave none for anything else. A hidden page requests nothing, since update() is
// called for each frame and hidden pages have none.

import * as api from "./api.js";
import { text } from "./dom.js";
import { printable } from "./format.js";
import { ended } from "./store.js";

const PACE = 1_000; // ms between two requests
const KEEP = 48 << 10; // characters of output in the document
const NEAR = 24; // pixels from the end within which the view follows it

export class OutputTail {
  #details; #pre; #changed;
  #run = ""; // id of what is shown
  #text = ""; #next = 0; // the output as far as shown, and the next offset
  #shown = "";
  #over = false; // no more output will follow
  #asked = 0; #asking = false;
  #follows = true;

  /** Prepares a <details> with a <pre>; `changed` is called when there is something to draw. */
  constructor(details, changed) {
    this.#details = details;
    this.#pre = details.querySelector("pre");
    this.#changed = changed;
    this.#details.addEventListener("toggle", changed);
    this.#pre.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#pre;
      this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    });
  }

  /** Shows the output of a run, if there is any. */
  update(run) {
    if (this.#run !== (run?.id ?? "")) {
      this.#run = run?.id ?? "";
      this.#text = "";
      this.#next = this.#asked = 0;
      this.#over = false;
      this.#follows = true;
    }
    const going = run && !ended(run) && run.status !== "queued";
    this.#details.hidden = !(going || run?.output || this.#text);
    if (this.#details.hidden || !this.#details.open) return;
    const known = this.#asked > 0 || going;
    if (known && !this.#over && !this.#asking && Date.now() - this.#asked >= PACE) this.#ask();
    const shown = known && (going || this.#text) ? this.#text : run.output;
    this.#write(shown || "No output yet.");
  }

  #write(output) {
    if (this.#shown === output) return;
    this.#shown = output;
    text(this.#pre, printable(output));
    if (this.#follows) this.#pre.scrollTop = this.#pre.scrollHeight;
  }

  async #ask() {
    const run = this.#run;
    this.#asking = true;
    try {
      const answer = await api.output(run, this.#next);
      if (run === this.#run) this.#take(answer);
    } catch (problem) {
      if (run === this.#run) this.#over = problem.status === 404 || problem.status === 410;
    }
    this.#asked = Date.now();
    this.#asking = false;
    this.#changed();
  }

  #take({ text, next, truncated, over }) {
    if (truncated) this.#text = "…\n";
    this.#text += text;
    this.#next = next;
    this.#over = over;
    if (this.#text.length <= KEEP) return;
    const cut = this.#text.slice(-KEEP), line = cut.indexOf("\n");
    this.#text = "…\n" + cut.slice(line < KEEP / 2 ? line + 1 : 0); // whole lines, unless they are that long
  }
}
