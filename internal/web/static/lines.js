// What a run has printed, as far as it was read: the lines that the server has drawn, those that come, and those before them.

const LINES = 200_000, LENGTH = 32 << 20; // bounds of what is in memory: lines, and characters
const SILENCE = 32_000; // ms after which a request that waits has no answer

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
    if (texts.length) yield texts.map((text) => placed(JSON.parse(text)));
  }
}

/** Counts the places of the styles of a line as its text does: a character beyond U+FFFF is two there. */
function placed(line) {
  if (line.styles && /[\ud800-\udbff]/.test(line.text)) {
    const places = [];
    let at = 0;
    for (const character of line.text) {
      places.push(at);
      at += character.length;
    }
    places.push(at);
    for (const style of line.styles) {
      style.begin = places[style.begin];
      style.end = places[style.end];
    }
  }
  return line;
}

/** About how much memory a line takes, in characters. */
const weight = ({ text, styles }) => text.length + (styles?.length ?? 0) * 50;

/** Says why nothing follows any more. */
export class Refused extends Error {}

export class Lines {
  /** The lines, as {n, at, text, styles, error}: n is missing if it is not known. */
  all = [];
  next; // the offset behind the last line
  over; // nothing follows
  whole; // nothing before the first line can be read
  cut; // why, as far as that is to be said

  #address; #length = 0; #before = null;

  /** `address` is that of the output; `is` has next, over, whole and cut. */
  constructor(address, is) {
    this.#address = address;
    Object.assign(this, is);
  }

  /** Adds lines at the end, and returns how many were dropped at the front; what is from `keep` on stays. */
  add(lines, keep = 0) {
    this.all = this.all.concat(lines);
    for (const line of lines) this.#length += weight(line);
    this.#number();
    return this.#trim(keep);
  }

  /** Waits for what comes, and returns it. */
  async follow(signal) {
    const answer = await this.#ask(this.next, { Prefer: "wait=25" }, AbortSignal.any([signal, AbortSignal.timeout(SILENCE)]));
    let lines = []; // at once: those of an answer that breaks off come again
    for await (const some of linesOf(answer)) lines = lines.concat(some);
    if (answer.headers.get("Tidewire-Truncated")) this.whole = true; // the lines between are gone
    this.next = Number(answer.headers.get("Tidewire-Next"));
    this.over = answer.headers.has("Tidewire-End");
    return lines;
  }

  /** Reads what was before the first line, if that is kept, and returns how many lines that are. */
  earlier() {
    if (this.whole) return Promise.resolve(0);
    return this.#before ??= this.#readEarlier().catch(() => 0).finally(() => (this.#before = null));
  }

  async #readEarlier() {
    const first = this.all[0]?.n ?? 0, request = new AbortController();
    let found = [], cut = "";
    try {
      const answer = await this.#ask(0, {}, request.signal);
      if (answer.headers.has("Tidewire-Truncated")) cut = "Earlier lines are not kept.";
      for await (const lines of linesOf(answer)) {
        const end = lines.findIndex(({ n }) => n >= first);
        found = found.concat(end < 0 ? lines : lines.slice(0, end));
        if (end >= 0) break;
      }
    } finally {
      request.abort();
    }
    this.all = found.concat(this.all);
    for (const line of found) this.#length += weight(line);
    this.whole = true;
    this.cut = cut;
    this.#number();
    return found.length - this.#trim(found.length);
  }

  async #ask(from, headers, signal) {
    const answer = await fetch(`${this.#address}?from=${from}`, { headers: { Accept: "application/x-ndjson", ...headers }, signal, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) throw new Refused("You are signed out.");
    if (answer.status === 404 || answer.status === 410) throw new Refused("The output is not kept any more.");
    if (!answer.ok) throw new Error(answer.statusText);
    return answer;
  }

  /** Numbers the lines whose number the server does not know, by those after them. */
  #number() {
    for (let i = this.all.length - 1; i > 0; i--) {
      if (this.all[i].n > 1 && !this.all[i - 1].n) this.all[i - 1].n = this.all[i].n - 1;
    }
  }

  /** Drops what is too much at the front, up to the line `keep`, and returns how many lines that are. */
  #trim(keep) {
    let n = 0;
    while (n < Math.min(keep, this.all.length - 1) && (this.all.length - n > LINES || this.#length > LENGTH)) this.#length -= weight(this.all[n++]);
    if (n > 0) {
      this.all = this.all.slice(n);
      this.whole = true;
      this.cut = "Earlier lines are in the download.";
    }
    return n;
  }
}
