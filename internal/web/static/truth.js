// What is known, by the page's own clock: whether the server is heard, and what a source is when nothing newer has come.

import { lasted } from "./words.js";

const SILENCE = 32_000; // ms in which two heartbeats were due: one every 15 s, to within a second
const PATIENCE = 1000; // ms that a stream may be away, or bring nothing, before that is said
const GRACE = 5000; // ms allowed for the gateway's own report that a value is too old, and for differing clocks

const words = {
  connecting: ["waiting", "Connecting"], live: ["live", "Live"], polling: ["live", "Polling"], reconnecting: ["lost", "Reconnecting"],
  "signed-out": ["cancelled", "Signed out"], silent: ["lost", "No answer"], paused: ["paused", "Paused"],
};

export class Truth {
  #state = "connecting"; #until; #away = Infinity; #going = Infinity;

  /** Takes the state of the stream; `until` is when the next attempt begins, in ms by this machine's clock. */
  take(state, until) {
    if (state === "reconnecting" && this.#state !== state) this.#away = Date.now();
    else if (state === "live" || state === "polling") this.#away = Infinity;
    if (state !== "live" && state !== "polling") this.#going = Infinity;
    else if (this.#going === Infinity) this.#going = Date.now();
    this.#state = state;
    this.#until = until;
  }

  /**
   * How the connection is: its state and its word, since when nothing is known (ms by this machine's clock; null: it is known), in
   * how many ms it is tried again (0: that is not known), and whether it has stood long enough for what had changed to be here.
   * `heardAt` is the server's last sign of life, 0 before the first.
   */
  look(heardAt, paused) {
    const now = Date.now(), silent = heardAt > 0 && now - heardAt > SILENCE;
    const going = this.#state === "live" || this.#state === "polling";
    // A page that was hidden for a while has not listened: while it connects again, nothing is lost.
    const away = this.#state !== "signed-out" && (silent ? this.#state !== "connecting" : now - this.#away >= PATIENCE);
    const settled = now - this.#going >= PATIENCE;
    const [state, word] = words[going && silent ? "silent" : going && paused ? "paused" : this.#state];
    return { state, word, lost: away ? heardAt || this.#away : null, again: Math.max(0, (this.#until ?? 0) - now), settled, signedOut: this.#state === "signed-out" };
  }
}

const staleAt = new WeakMap(); // source -> its stale_at in ms

/** What a source is now: one whose value is too old is stale, whatever was last received. `lost`: nothing is received. */
export function judged(source, now, lost) {
  let at = staleAt.get(source);
  if (at === undefined) staleAt.set(source, at = source.stale_at ? Date.parse(source.stale_at) : Infinity);
  const old = source.state === "ok" && now - at > (lost ? 0 : GRACE);
  if (!old && !lost) return source;
  const is = lost ? { ...source, next_at: null, waiting: "not known" } : { ...source };
  if (!old) return is;
  const cause = lost ? "No connection to the gateway" : `Nothing newer has reached this page for ${lasted(now - Date.parse(source.updated_at))}`;
  return { ...is, state: "stale", cause, since: new Date(at).toISOString() };
}
