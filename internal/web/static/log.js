// What a run prints: the lines that the server has drawn, those that come, and those before them.
//
// All lines that were read are in memory, up to a bound; in the document are those around what is looked at. A line is a
// number, a time and a text, which enters as text. While the run is in progress and the page is visible, one request waits for
// what comes next.

const SHOWN = 600, STEP = 200; // lines in the document, and how many come into it at once
const LINES = 200_000, LENGTH = 32 << 20; // bounds of what is in memory: lines, and characters
const LONG = 1_000; // characters of a line that are shown at once
const NEAR = 24; // pixels from an end of the view that count as at it
const AHEAD = 400; // pixels from an end of the document at which more lines come into it
const PACE = 250, PATIENCE = 10_000; // ms between requests, and at most after one has failed
const SILENCE = 32_000; // ms after which a request that waits has no answer
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

/** Reads the lines of an answer, as they come. */
async function* linesOf(answer) {
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const texts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = texts.pop();
    if (texts.length) yield texts.map((text) => JSON.parse(text));
  }
}

export class Log {
  #node; #view; #list; #blank; #status; #end; #search; #count; #cut; #size;
  #lines = []; #length = 0;
  #low = 0; #high = 0; // the lines in the document
  #address; #next; #over; #whole; // where lines come from; the next offset; no more will follow; none is before the first
  #follows = true; #shows = 0; // the view is at the end; lines that came while it was not
  #waiting = null; #failed = 0; #before = null; // requests
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
    this.#address = node.dataset.output;
    this.#next = Number(node.dataset.next);
    this.#over = node.dataset.over !== undefined;
    this.#whole = node.dataset.whole !== undefined;
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
    if (!this.#whole && this.#view.scrollHeight <= this.#view.clientHeight + AHEAD) this.#earlier().then(() => this.#follows && this.#toEnd());
    if (!this.#whole) this.#cutText("");
  }

  /** Says that the run goes on, or has ended: the last lines may still be to come. */
  update(over) {
    if (over) this.#node.dataset.over = "";
    this.#tell();
  }

  /** Makes lines of what the server has drawn. */
  #adopt() {
    for (const li of this.#list.children) {
      const [number, time, text] = li.children;
      const at = time.getAttribute("datetime");
      this.#add({ n: Number(number.textContent) || 0, at: at ?? undefined, text: text.textContent, error: li.className === "err" });
      if (at) this.#writeTime(time, at);
    }
    this.#high = this.#lines.length;
    this.#number();
  }

  #add(line) {
    this.#lines.push(line);
    this.#length += line.text.length;
  }

  /** Numbers the lines whose number the server does not know, by those after them. */
  #number() {
    for (let i = this.#lines.length - 1; i > 0; i--) {
      if (this.#lines[i].n > 1 && !this.#lines[i - 1].n) this.#lines[i - 1].n = this.#lines[i].n - 1;
    }
  }

  // Lines that come.

  async #follow() {
    if (document.hidden) {
      this.#waiting?.abort();
      return;
    }
    if (this.#over || this.#waiting) return;
    const request = this.#waiting = new AbortController();
    let wait = PACE;
    try {
      await this.#read(AbortSignal.any([request.signal, AbortSignal.timeout(SILENCE)]));
      this.#failed = 0;
    } catch {
      if (!request.signal.aborted) wait = Math.min(PATIENCE, 1000 * 2 ** this.#failed++);
    }
    this.#waiting = null;
    this.#tell();
    if (!this.#over && !document.hidden) setTimeout(() => this.#follow(), wait);
  }

  async #read(signal) {
    const answer = await fetch(`${this.#address}?from=${this.#next}`, {
      headers: { Accept: "application/x-ndjson", Prefer: "wait=25" }, signal, cache: "no-store",
    });
    if (answer.status === 404 || answer.status === 410 || answer.status === 401 || answer.status === 403) {
      this.#over = true;
      this.#say(answer.status === 401 ? "You are signed out." : "The output is not kept any more.");
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    let all = []; // at once: those of an answer that breaks off come again
    for await (const lines of linesOf(answer)) all = all.concat(lines);
    if (all.length) this.#append(all);
    if (answer.headers.get("Tidewire-Truncated")) this.#whole = true; // the lines between are gone
    this.#next = Number(answer.headers.get("Tidewire-Next"));
    this.#over = answer.headers.has("Tidewire-End");
  }

  #append(lines) {
    for (const line of lines) this.#add(line);
    this.#number();
    const surplus = this.#surplus();
    if (surplus) this.#drop(surplus);
    if (this.#wanted) this.#find(false);
    if (this.#follows) this.#toEnd();
    else {
      this.#shows += lines.length;
      if (this.#high - this.#low < SHOWN) this.#show(this.#low, this.#low + SHOWN);
      this.#tell();
    }
  }

  /** How many lines at the front are too much. */
  #surplus() {
    let n = Math.max(0, this.#lines.length - LINES);
    let length = this.#length;
    for (let i = 0; i < n; i++) length -= this.#lines[i].text.length;
    while (length > LENGTH && n < this.#lines.length - SHOWN) length -= this.#lines[n++].text.length;
    return n;
  }

  #drop(n) {
    n = Math.min(n, this.#lines.length - SHOWN);
    const keep = Math.max(n, this.#low);
    this.#show(keep, Math.max(this.#high, keep + STEP));
    for (const line of this.#lines.splice(0, n)) this.#length -= line.text.length;
    this.#low -= n;
    this.#high -= n;
    this.#whole = true;
    this.#cutText("Earlier lines are in the download.");
  }

  // Lines before.

  /** Reads the lines before the first one. */
  #earlier() {
    if (this.#whole || this.#before) return this.#before ?? Promise.resolve();
    this.#before = this.#readEarlier().finally(() => (this.#before = null));
    return this.#before;
  }

  async #readEarlier() {
    const first = this.#lines[0]?.n ?? 0;
    const request = new AbortController();
    const found = [];
    let truncated = false;
    try {
      const answer = await fetch(`${this.#address}?from=0`, { headers: { Accept: "application/x-ndjson" }, signal: request.signal, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      truncated = answer.headers.has("Tidewire-Truncated");
      reading: for await (const lines of linesOf(answer)) {
        for (const line of lines) {
          if (line.n >= first) break reading;
          found.push(line);
        }
      }
    } catch {
      return; // scrolling asks again
    } finally {
      request.abort();
    }
    this.#whole = true;
    this.#lines.unshift(...found);
    for (const line of found) this.#length += line.text.length;
    this.#low += found.length;
    this.#high += found.length;
    this.#number();
    const surplus = this.#surplus();
    if (surplus) {
      for (const line of this.#lines.splice(0, surplus)) this.#length -= line.text.length;
      this.#low -= surplus;
      this.#high -= surplus;
      this.#cutText("Earlier lines are in the download.");
    } else this.#cutText(truncated ? "Earlier lines are not kept." : "");
    if (this.#low > 0) this.#show(this.#low - STEP, this.#high);
    if (this.#wanted) this.#find(false);
  }

  #cutText(text) {
    this.#cut.textContent = text;
    this.#cut.hidden = text === "";
  }

  // What is in the document.

  /** Shows the lines from low to before high, as many as there are. What stays in view does not move. */
  #show(low, high) {
    low = Math.max(0, low);
    high = Math.min(this.#lines.length, Math.max(high, low));
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
    for (let i = low; i < high; i++) nodes.push(this.#draw(this.#lines[i]));
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

  /** Writes the text of a line, with what is searched for marked. */
  #write(node, line, isOpen) {
    const cut = !isOpen && line.text.length > LONG + 100;
    const text = cut ? line.text.slice(0, LONG) : line.text;
    const parts = [];
    if (this.#wanted) {
      const all = text.toLowerCase();
      let at = 0;
      for (let i; (i = all.indexOf(this.#wanted, at)) >= 0 && parts.length < 200; at = i + this.#wanted.length) {
        const mark = document.createElement("mark");
        mark.textContent = text.slice(i, i + this.#wanted.length);
        parts.push(text.slice(at, i), mark);
      }
      parts.push(text.slice(at));
    } else parts.push(text);
    if (cut) {
      const more = document.createElement("button");
      more.type = "button";
      more.className = "ghost more";
      more.textContent = `${whole.format(line.text.length - LONG)} more characters`;
      parts.push(" ", more);
    }
    node.replaceChildren(...parts);
  }

  #clicked(event) {
    const li = event.target.closest("button.more")?.closest("li");
    if (!li) return;
    const line = this.#lines[this.#low + [...this.#list.children].indexOf(li)];
    this.#write(li.children[2], line, true);
    this.#view.focus();
  }

  // Where the view is.

  #toEnd() {
    this.#follows = true;
    this.#shows = 0;
    const end = this.#lines.length;
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
    const atEnd = below < NEAR && this.#high === this.#lines.length;
    if (atEnd !== this.#follows) {
      this.#follows = atEnd;
      if (atEnd) this.#shows = 0;
      this.#tell();
    }
    if (scrollTop < AHEAD && this.#low > 0) this.#show(this.#low - STEP, Math.max(this.#low + 1, Math.min(this.#high, this.#low - STEP + SHOWN)));
    else if (below < AHEAD && this.#high < this.#lines.length) this.#show(Math.max(this.#low, this.#high + STEP - SHOWN), this.#high + STEP);
    if (scrollTop < AHEAD && this.#low === 0 && !this.#whole) this.#earlier();
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
    let i = this.#lines.findIndex((line) => line.n === n);
    if (i < 0 && n < (this.#lines[0]?.n ?? 0)) {
      await this.#earlier();
      i = this.#lines.findIndex((line) => line.n === n);
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
      for (let i = 0; i < this.#lines.length && this.#hits.length < HITS; i++) {
        if (this.#lines[i].text.toLowerCase().includes(this.#wanted)) this.#hits.push(i);
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
    for (let i = this.#low; i < this.#high; i++) this.#write(this.#list.children[i - this.#low].children[2], this.#lines[i]);
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
      follow.hidden = this.#over;
    }
    this.#size.textContent = size(this.#next);
    this.#end.hidden = this.#follows;
    this.#end.textContent = this.#shows ? `${whole.format(this.#shows)} new ${this.#shows === 1 ? "line" : "lines"}` : "To the end";
    if (this.#over && (this.#status.textContent.startsWith("The output") || this.#status.textContent.startsWith("You are"))) return;
    if (this.#over) this.#say(this.#lines.length ? "The end" : "It printed nothing");
    else if (this.#failed > 0) this.#say("No connection", "lost");
    else if (!this.#follows) this.#say("Paused", "paused");
    else this.#say("Following", "live");
  }
}
