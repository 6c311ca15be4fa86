// The log of a run. Of the lines that were read those are in the document that are near what is looked at. A line is a number, a time
// and a text, which enters as text. While the run is in progress and the page is visible, one request waits for what comes next.

import { Lines, Refused } from "./lines.js";

const SHOWN = 600, STEP = 200; // lines in the document, and how many come into it at once
const LONG = 1_000; // characters of a line that are shown at once
const NEAR = 24; // pixels from an end of the view that count as at it
const AHEAD = 400; // pixels from an end of the document at which more lines come into it
const PACE = 250, PATIENCE = 10_000; // ms between requests, and at most after one has failed
const HITS = 10_000; // lines with the searched text that are counted

const times = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const whole = new Intl.NumberFormat("en");

/** A number of bytes in words. */
function size(bytes) {
  if (bytes < 1e3) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export class Log {
  #node; #view; #list; #blank; #status; #end; #search; #count; #cut; #size;
  #lines; #low = 0; #high = 0; // those in the document are from low to before high
  #follows = true; #shows = 0; // the view is at the end; lines that came while it was not
  #waiting = null; #failed = 0; #refused = ""; // the request for what comes; how often it failed; why it is not made any more
  #hits = []; #hit = -1; #wanted = ""; // of the search: the lines; which one is looked at; the text
  #target = 0; // the line that the address names

  /** Takes over the element with the class output, which the server has drawn. */
  constructor(node) {
    const part = (selector) => node.querySelector(selector);
    this.#node = node;
    this.#view = part(".log");
    this.#list = part(".log ol");
    this.#blank = document.getElementById("log-line").content.firstElementChild;
    this.#status = part(".log-status");
    this.#end = part(".log-end");
    this.#search = part(".log-tools input");
    this.#count = part(".log-hits");
    this.#cut = part(".cut");
    this.#size = part(".log-size");
    const { output, next, over, whole } = node.dataset;
    this.#lines = new Lines(output, {
      next: Number(next), over: over !== undefined, whole: whole !== undefined, cut: whole === undefined ? "" : this.#cut.textContent,
    });
    this.#adopt();
    this.#view.classList.add("live");
    this.#view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#view.addEventListener("click", (e) => this.#clicked(e));
    this.#end.addEventListener("click", () => this.#toEnd());
    this.#search.addEventListener("input", () => this.#find());
    this.#search.addEventListener("keydown", (e) => {
      if (e.key === "Enter") {
        e.preventDefault();
        this.#step(e.shiftKey ? -1 : 1);
      }
    });
    for (const name of ["wrap", "times"]) this.#choice(name);
    part(".log-follow")?.addEventListener("click", () => (this.#follows ? this.#pause() : this.#toEnd()));
    addEventListener("hashchange", () => this.#goTo());
    document.addEventListener("visibilitychange", () => this.#follow());
    this.#node.classList.add("scripted");
    this.#toEnd();
    this.#goTo();
    this.#follow();
    if (this.#lines.whole) return;
    this.#cut.hidden = true;
    if (this.#view.scrollHeight <= this.#view.clientHeight + AHEAD) this.#earlier().then(() => this.#follows && this.#toEnd());
  }

  /** Makes lines of what the server has drawn. */
  #adopt() {
    this.#lines.add([...this.#list.children].map((li) => {
      const [number, time, text] = li.children, at = time.getAttribute("datetime") ?? undefined;
      if (at) this.#writeTime(time, at);
      return { n: Number(number.textContent) || undefined, at, text: text.textContent, styles: this.#stylesOf(text), error: li.className === "err" };
    }));
    this.#high = this.#lines.all.length;
  }

  /** Reads the styles of a line that the server has drawn. */
  #stylesOf(node) {
    const styles = [];
    let at = 0;
    for (const part of node.childNodes) {
      const begin = at;
      at += part.textContent.length;
      if (part.className) styles.push({ begin, end: at, style: [...part.classList].slice(1) });
    }
    return styles;
  }

  async #follow() {
    if (document.hidden) {
      this.#waiting?.abort();
      return;
    }
    if (this.#lines.over || this.#waiting || this.#refused) return;
    const request = this.#waiting = new AbortController();
    let wait = PACE;
    try {
      this.#append(await this.#lines.follow(request.signal));
      this.#failed = 0;
    } catch (problem) {
      if (problem instanceof Refused) this.#refused = problem.message;
      else if (!request.signal.aborted) wait = Math.min(PATIENCE, 1000 * 2 ** this.#failed++);
    }
    this.#waiting = null;
    this.#tell();
    setTimeout(() => this.#follow(), wait);
  }

  #append(lines) {
    if (!lines.length) return;
    const dropped = this.#lines.add(lines, this.#follows ? Infinity : this.#low);
    if (dropped > this.#low) { // what is in the document was too much as well
      this.#list.replaceChildren();
      this.#low = this.#high = 0;
    } else {
      this.#low -= dropped;
      this.#high -= dropped;
    }
    this.#sayCut();
    if (this.#wanted) this.#find(false);
    if (this.#follows) this.#toEnd();
    else {
      this.#shows += lines.length;
      if (this.#high - this.#low < SHOWN) this.#show(this.#low, this.#low + SHOWN);
      this.#tell();
    }
  }

  /** Reads the lines before the first one. */
  async #earlier() {
    if (this.#lines.whole) return;
    const n = await this.#lines.earlier();
    this.#low += n;
    this.#high += n;
    this.#sayCut();
    if (this.#low > 0) this.#show(this.#low - STEP, this.#high);
    if (this.#wanted) this.#find(false);
  }

  #sayCut() {
    this.#cut.textContent = this.#lines.cut;
    this.#cut.hidden = this.#lines.cut === "";
  }

  // What is in the document.

  /** Shows the lines from low to before high, as many as there are. What stays in view does not move. */
  #show(low, high) {
    low = Math.max(0, low);
    high = Math.min(this.#lines.all.length, Math.max(high, low));
    const list = this.#list;
    const from = Math.max(low, this.#low), to = Math.min(high, this.#high); // what stays
    if (from >= to) {
      list.replaceChildren(...this.#make(low, high));
    } else {
      const anchor = list.children[from - this.#low];
      const before = anchor.offsetTop;
      for (let i = this.#low; i < from; i++) list.firstElementChild.remove();
      for (let i = to; i < this.#high; i++) list.lastElementChild.remove();
      list.prepend(...this.#make(low, from));
      list.append(...this.#make(to, high));
      const moved = anchor.offsetTop - before;
      if (moved) this.#view.scrollTop += moved;
    }
    this.#low = low;
    this.#high = high;
  }

  #make(low, high) {
    const nodes = [];
    for (let i = low; i < high; i++) nodes.push(this.#draw(this.#lines.all[i]));
    return nodes;
  }

  #draw(line, isOpen) {
    const li = this.#blank.cloneNode(true);
    const [number, time, text] = li.children;
    if (line.error) li.className = "err";
    if (line.n) {
      li.id = `L${line.n}`;
      number.href = `#L${line.n}`;
      number.textContent = line.n;
      li.classList.toggle("target", line.n === this.#target);
    }
    if (line.at) this.#writeTime(time, line.at);
    this.#write(text, line, isOpen);
    return li;
  }

  #writeTime(node, at) {
    const date = new Date(at);
    node.dateTime = at;
    node.textContent = times.format(date);
    node.title = moments.format(date);
  }

  /** Writes the text of a line in its styles, with what is searched for marked. */
  #write(node, line, isOpen) {
    const cut = !isOpen && line.text.length > LONG + 100;
    const end = cut ? LONG : line.text.length;
    const parts = [], marks = this.#marksOf(line.text.slice(0, end));
    let at = 0;
    for (const { begin, end: last, style } of line.styles ?? []) {
      if (begin >= end) break;
      const part = document.createElement("span");
      part.className = ["sgr", ...style].join(" ");
      part.append(...this.#marked(line.text, begin, Math.min(last, end), marks));
      parts.push(...this.#marked(line.text, at, begin, marks), part);
      at = Math.min(last, end);
    }
    parts.push(...this.#marked(line.text, at, end, marks));
    if (cut) {
      const more = document.createElement("button");
      more.type = "button";
      more.className = "ghost more";
      more.textContent = `${whole.format(line.text.length - LONG)} more characters`;
      parts.push(" ", more);
    }
    node.replaceChildren(...parts);
  }

  /** The places of what is searched for, as [begin, end]. */
  #marksOf(text) {
    const marks = [];
    if (!this.#wanted) return marks;
    const all = text.toLowerCase();
    for (let i = 0; (i = all.indexOf(this.#wanted, i)) >= 0 && marks.length < 100; i += this.#wanted.length) marks.push([i, i + this.#wanted.length]);
    return marks;
  }

  /** The part of a text from begin to end, in nodes and texts. */
  #marked(text, begin, end, marks) {
    const parts = [];
    if (begin >= end) return parts;
    for (const [from, to] of marks) {
      if (to <= begin || from >= end) continue;
      const mark = document.createElement("mark"), first = Math.max(from, begin), last = Math.min(to, end);
      mark.textContent = text.slice(first, last);
      parts.push(text.slice(begin, first), mark);
      begin = last;
    }
    parts.push(text.slice(begin, end));
    return parts.filter((part) => part !== "");
  }

  #clicked(event) {
    const li = event.target.closest("button.more")?.closest("li");
    if (!li) return;
    const line = this.#lines.all[this.#low + [...this.#list.children].indexOf(li)];
    this.#write(li.children[2], line, true);
    this.#view.focus();
  }

  // Where the view is.

  #toEnd() {
    this.#follows = true;
    this.#shows = 0;
    const end = this.#lines.all.length;
    if (this.#high < end || this.#high - this.#low > SHOWN) this.#show(Math.max(this.#high > end - SHOWN ? this.#low : 0, end - SHOWN), end);
    this.#view.scrollTop = this.#view.scrollHeight;
    this.#tell();
  }

  #pause() {
    this.#follows = false;
    this.#tell();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#view;
    const below = scrollHeight - scrollTop - clientHeight;
    const atEnd = below < NEAR && this.#high === this.#lines.all.length;
    if (atEnd !== this.#follows) {
      this.#follows = atEnd;
      if (atEnd) this.#shows = 0;
      this.#tell();
    }
    if (scrollTop < AHEAD && this.#low > 0) this.#show(this.#low - STEP, Math.max(this.#low + 1, Math.min(this.#high, this.#low - STEP + SHOWN)));
    else if (below < AHEAD && this.#high < this.#lines.all.length) this.#show(Math.max(this.#low, this.#high + STEP - SHOWN), this.#high + STEP);
    if (scrollTop < AHEAD && this.#low === 0) this.#earlier();
  }

  /** Looks at line i. */
  #look(i) {
    this.#follows = false;
    if (i < this.#low || i >= this.#high) this.#show(i - SHOWN / 2, i + SHOWN / 2);
    this.#list.children[i - this.#low].scrollIntoView({ block: "center" });
    this.#tell();
  }

  /** Looks at the line that the address names. */
  async #goTo() {
    const n = Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? 0);
    for (const old of this.#list.querySelectorAll(".target")) old.classList.remove("target");
    this.#target = n;
    if (!n) return;
    let i = this.#lines.all.findIndex((line) => line.n === n);
    if (i < 0 && n < (this.#lines.all[0]?.n ?? 0)) {
      await this.#earlier();
      i = this.#lines.all.findIndex((line) => line.n === n);
    }
    if (i < 0) return;
    this.#look(i);
    this.#list.children[i - this.#low].classList.add("target");
  }

  // Search.

  /** Finds what is searched for; `anew` says that another text is. */
  #find(anew = true) {
    this.#wanted = this.#search.value.trim().toLowerCase();
    this.#hits = [];
    if (this.#wanted) {
      for (let i = 0; i < this.#lines.all.length && this.#hits.length < HITS; i++) {
        if (this.#lines.all[i].text.toLowerCase().includes(this.#wanted)) this.#hits.push(i);
      }
      if (anew) this.#earlier();
    }
    if (anew) {
      this.#mark();
      this.#hit = this.#hits.length;
      if (this.#hits.length) return this.#step(-1); // the newest one
    }
    this.#tellHits();
  }

  /** Writes the lines in the document again. */
  #mark() {
    for (let i = this.#low; i < this.#high; i++) this.#write(this.#list.children[i - this.#low].children[2], this.#lines.all[i]);
  }

  #step(way) {
    const n = this.#hits.length;
    if (!n) return;
    this.#hit = (this.#hit + way + n) % n;
    this.#look(this.#hits[this.#hit]);
    for (const old of this.#list.querySelectorAll(".hit")) old.classList.remove("hit");
    this.#list.children[this.#hits[this.#hit] - this.#low].classList.add("hit");
    this.#tellHits();
  }

  #tellHits() {
    const n = this.#hits.length;
    this.#count.textContent = !this.#wanted ? "" : !n ? "Not found" :
      `${whole.format(Math.min(this.#hit, n - 1) + 1)} of ${whole.format(n)}${n === HITS ? " or more" : ""}`;
  }

  // What is said about it.

  #choice(name) {
    const button = this.#node.querySelector(`.log-${name}`);
    const key = `tidewire.log.${name}`;
    const set = (on) => {
      button.setAttribute("aria-pressed", String(on));
      this.#view.classList.toggle(`no-${name}`, !on);
      if (this.#follows) this.#view.scrollTop = this.#view.scrollHeight;
    };
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      try { localStorage.setItem(key, on ? "1" : "0"); } catch { /* it is not remembered */ }
      set(on);
    });
    let stored = null;
    try { stored = localStorage.getItem(key); } catch { /* it is not remembered */ }
    if (stored) set(stored === "1");
  }

  #say(text, state) {
    this.#status.textContent = text;
    this.#status.classList.toggle("state", Boolean(state));
    if (state) this.#status.dataset.state = state;
    else delete this.#status.dataset.state;
  }

  #tell() {
    const follow = this.#node.querySelector(".log-follow");
    if (follow) {
      follow.setAttribute("aria-pressed", String(this.#follows));
      follow.hidden = this.#lines.over;
    }
    this.#size.textContent = size(this.#lines.next);
    this.#end.hidden = this.#follows;
    this.#end.textContent = this.#shows ? `${whole.format(this.#shows)} new ${this.#shows === 1 ? "line" : "lines"}` : "To the end";
    if (this.#refused) this.#say(this.#refused);
    else if (this.#lines.over) this.#say(this.#lines.all.length ? "The end" : "It printed nothing");
    else if (this.#failed > 0) this.#say("No connection", "lost");
    else if (!this.#follows) this.#say("Paused", "paused");
    else this.#say("Following", "live");
  }
}
