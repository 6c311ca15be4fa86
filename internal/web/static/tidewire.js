// Tidewire in the browser: live state over Server-Sent Events, for any page.
// One file without dependencies; docs/browser.md shows how to use it.
//
// subscribe() follows the stream at a URL. All tabs of an origin that follow
// the same URL share one connection: the tab that holds the Web Lock of its
// name leads, it has the Link and tells the others over a BroadcastChannel.
// When it closes, the lock goes to another tab, which goes on after the last
// id that it has heard.
//
// A browser's EventSource comes back by itself after most losses, at the pace
// that the server asks for with `retry:`. Link takes care of the others: an
// answer other than 200 closes an EventSource for good, a dead network path
// leaves it open and silent, and a proxy that buffers lets nothing through.
// Nothing gets lost: whoever opens anew gets the newest snapshots first.

const FIRST_BYTE = 5_000; // ms after which a stream without an event is doubted
const SILENCE = 45_000; // ms without an event after which a connection is made anew
const HIDDEN = 60_000; // ms after which a hidden page gives its connection back
const PROBE = 120_000; // ms of polling after which the stream is tried again
const WAIT = 25; // s that a poll waits for a change
const PACE = 1_000; // ms at least between two polls
const ANSWER = 1_500; // ms after which a leading tab that does not answer is replaced
const RENEW = 100; // ms in which tabs ask for a new connection together
const PARTING = 200; // ms that the tab that has led stays, so that the others hear of the end
const BACKOFF = { first: 1_000, most: 30_000 }; // ms between attempts of our own

/**
 * Follows the stream at `url` until the run that it shows is over, or close()
 * is called on what this returns. Of `options`, all optional:
 *
 * - onSnapshot(snapshot, id): a new state; JSON is parsed. While polling there is no id.
 * - onState(state, until): "connecting", "live", "polling", "signed-out" (the
 *   server answers 401: it is asked again now and then), or "reconnecting", then with the time (ms since the epoch) of the next attempt where it is known.
 * - onEnd(snapshot): the run is over, or gone; its newest snapshot if there was one. Nothing follows.
 * - onReset(): what was known is of another life of the server; everything follows.
 * - onGap(missed): so many events of a topic with a backlog were missed.
 * - unpack(body): the snapshots in a JSON answer of `url`; by default the body is the only one.
 * - withCredentials: send cookies to another origin.
 * - share: false for a connection of this page's own.
 *
 * Snapshots that have a member `key` replace each other by key, others replace
 * each other. Handlers are not called before subscribe returns.
 */
export function subscribe(url, options = {}) {
  return new Subscription(new URL(url, document.baseURI).href, options);
}

class Subscription {
  #url; #options; #name;
  #known = new Map(); // newest snapshot by key
  #newest; #id = ""; // of the event that came last
  #state = ""; #until;
  #me = Math.random().toString(36).slice(2);
  #over = new AbortController(); // ends what listens to the page
  #channel = null; // between tabs; null while away, or alone
  #wish = null; // AbortController of the lock, held or waited for
  #link = null; // the connection, in the tab that leads
  #present = false;
  #timers = new Timers();

  constructor(url, options) {
    this.#url = url;
    this.#options = options;
    this.#name = `tidewire ${options.withCredentials ? "with credentials " : ""}${url}`;
    const on = (target, type, f) => target.addEventListener(type, f, { signal: this.#over.signal });
    on(window, "pagehide", () => this.#leave());
    on(window, "pageshow", (e) => e.persisted && this.#join());
    on(window, "online", () => this.#link?.hurry());
    on(document, "visibilitychange", () => this.#seen());
    queueMicrotask(() => {
      this.#join();
      this.#seen();
    });
  }

  /** Ends the subscription; no handler is called any more. */
  close() {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#leave();
  }

  /**
   * Opens the connection anew and goes on after what came last: the stream at
   * the URL may be of more than it was when it was opened.
   */
  renew() {
    if (this.#link) this.#link.renew();
    else this.#channel?.postMessage({ type: "renew" });
  }

  #join() {
    if (this.#present || this.#over.signal.aborted) return;
    this.#present = true;
    this.#take({ type: "state", state: "connecting" });
    if (this.#options.share === false || !navigator.locks || !globalThis.BroadcastChannel) return this.#lead();
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = (e) => this.#hear(e.data);
    this.#stand();
    this.#greet();
  }

  #leave() {
    this.#present = false;
    this.#timers.clear();
    this.#link?.close();
    this.#link = null;
    this.#wish?.abort(); // after the connection: there is never a second one
    this.#wish = null;
    this.#channel?.close();
    this.#channel = null;
  }

  #seen() {
    if (this.#over.signal.aborted) return;
    this.#timers.stop("hidden");
    if (document.hidden) this.#timers.start("hidden", HIDDEN, () => this.#leave());
    else if (!this.#present) this.#join();
    else if (this.#link) this.#link.check();
    else this.#greet();
  }

  /** Asks for the lead, or takes it from a tab that does not answer. */
  #stand(steal = false) {
    this.#wish?.abort();
    const wish = (this.#wish = new AbortController());
    const hold = () => !wish.signal.aborted && new Promise((release) => {
      wish.signal.addEventListener("abort", release);
      this.#lead();
    });
    navigator.locks.request(this.#name, steal ? { steal } : { signal: wish.signal }, hold).catch((error) => {
      if (wish.signal.aborted) return;
      if (error.name !== "AbortError") return this.#lead(); // this page may not use locks
      this.#link?.close(); // another tab has taken the lead
      this.#link = null;
      this.#stand();
    });
  }

  #lead() {
    this.#timers.stop("answer");
    this.#timers.stop("leader");
    this.#channel?.postMessage({ type: "state", state: this.#state, until: this.#until }); // who waits for a leader has one
    this.#link = new Link(this.#url, this.#options, this.#known, this.#id, (message) => {
      this.#channel?.postMessage(message);
      this.#take(message);
    });
    this.#link.open();
  }

  /** Asks the tab that leads for what it knows. */
  #greet() {
    if (!this.#channel) return;
    this.#channel.postMessage({ type: "hello", from: this.#me });
    this.#timers.start("answer", ANSWER, () => this.#stand(true));
  }

  /** Takes a message of another tab. */
  #hear(message) {
    if (this.#over.signal.aborted) return;
    if (this.#link) {
      if (message.type === "hello" && this.#state === "signed-out") this.#link.hurry(); // its page may have signed in
      if (message.type === "renew") this.#link.renew();
      if (message.type === "hello") this.#channel.postMessage({
        type: "welcome", to: message.from, snapshots: [...this.#known.values()], id: this.#id, state: this.#state, until: this.#until,
      });
      return;
    }
    if (message.type === "hello" || message.type === "renew" || (message.to && message.to !== this.#me)) return;
    this.#timers.stop("answer");
    this.#timers.start("leader", 2 * SILENCE, () => this.#greet());
    if (message.type !== "welcome") return this.#take(message);
    for (const news of compare(this.#known, message.snapshots)) this.#take(news);
    this.#id = message.id;
    this.#take({ type: "state", state: message.state, until: message.until });
  }

  /** Takes what has happened on the connection. */
  #take(message) {
    const { onSnapshot, onState, onReset, onGap, onEnd } = this.#options;
    switch (message.type) {
      case "snapshot":
        this.#newest = message.snapshot;
        this.#known.set(keyOf(message.snapshot), message.snapshot);
        if (message.id) this.#id = message.id;
        onSnapshot?.(message.snapshot, message.id);
        break;
      case "state":
        if (this.#state === message.state && this.#until === message.until) return;
        this.#state = message.state;
        this.#until = message.until;
        onState?.(message.state, message.until);
        break;
      case "reset":
        this.#known.clear();
        this.#id = "";
        onReset?.();
        break;
      case "gap":
        onGap?.(message.missed);
        break;
      case "end":
        this.#over.abort();
        this.#timers.clear();
        this.#link?.close();
        this.#link = null;
        // A channel that is closed at once loses what it was given, and who gets the lock first asks once more.
        setTimeout(() => this.#leave(), PARTING);
        onEnd?.(this.#newest);
    }
  }
}

/** The connection to a URL: a stream, or polls where no stream comes through. It tells what happens in messages. */
class Link {
  #url; #options; #known; #id; #tell;
  #source = null; // the EventSource; while polling, the one that probes
  #poll = null; // AbortController of the polls, null while there are none
  #asking = new AbortController(); // of single questions
  #tag = ""; // entity tag of the last JSON answer
  #heardAt = 0; #events = 0; #failures = 0;
  #refused = false; // with 401, and nothing came since
  #timers = new Timers();

  /** Prepares a link that goes on after the event `id`; `known` has the newest snapshots by key. */
  constructor(url, options, known, id, tell) {
    this.#url = url;
    this.#options = options;
    this.#known = known;
    this.#id = id;
    this.#tell = tell;
  }

  /** Connects, in place of the connection or the attempt that there was. */
  open() {
    this.close();
    this.#listen(this.#id);
  }

  /** Ends the connection, or the wait for the next one. */
  close() {
    this.#hush();
    this.#timers.clear();
    this.#poll?.abort();
    this.#poll = null;
    this.#asking.abort();
    this.#asking = new AbortController();
  }

  /** Makes the next attempt now, if one is waited for. */
  hurry() {
    if (this.#timers.runs("retry")) this.open();
  }

  /** Connects anew, once for all tabs that ask for it. A poll is a new request anyway. */
  renew() {
    if (!this.#poll) this.#timers.start("renew", RENEW, () => this.open());
  }

  /** Connects anew if nothing was heard for too long: timers stand still while a machine sleeps. */
  check() {
    if (this.#source && !this.#poll && Date.now() - this.#heardAt > SILENCE) this.open();
    else this.hurry();
  }

  #listen(id) {
    const { withCredentials = false } = this.#options;
    const source = (this.#source = new EventSource(resumed(this.#url, id), { withCredentials }));
    this.#doubt(source);
    if (!this.#poll) this.#heard();
    source.onopen = () => {
      if (this.#poll) return; // a head proves nothing, it takes an event
      this.#failures = 0;
      this.#refused = false;
      this.#heard();
      this.#doubt(source);
      this.#tell({ type: "state", state: "live" });
    };
    const on = (type, f) => source.addEventListener(type, (e) => {
      this.#arrived();
      f(e);
    });
    on("message", (e) => {
      this.#id = e.lastEventId;
      this.#tell({ type: "snapshot", snapshot: parse(e.data), id: e.lastEventId });
      if (e.lastEventId.endsWith("-end")) this.#tell({ type: "end" });
    });
    on("reset", () => this.#tell({ type: "reset" }));
    on("gap", (e) => this.#tell({ type: "gap", missed: Number(e.data) }));
    // The server drains: it closes the stream in a moment, and the browser
    // comes back when the `retry:` that it sent has passed.
    on("bye", () => this.#tell({ type: "state", state: "reconnecting" }));
    source.onerror = () => {
      this.#timers.stop("doubt");
      if (this.#poll) return this.#probeLater();
      if (source.readyState === EventSource.CLOSED) return this.#retry();
      this.#heard(); // the browser tries again
      this.#tell({ type: "state", state: "reconnecting" });
    };
  }

  /** Ends the stream alone. */
  #hush() {
    this.#source?.close();
    this.#source = null;
    this.#timers.stop("doubt");
    this.#timers.stop("silence");
  }

  #heard() {
    this.#heardAt = Date.now();
    this.#timers.start("silence", SILENCE, () => this.open());
  }

  /** Takes note that the stream comes through. */
  #arrived() {
    this.#events++;
    this.#timers.stop("doubt");
    this.#heard();
    if (!this.#poll) return;
    this.#poll.abort();
    this.#poll = null;
    this.#failures = 0;
    this.#tell({ type: "state", state: "live" });
  }

  /** Asks, if no event comes soon, whether there is one: then something on the way holds it back. */
  #doubt(source) {
    this.#timers.start("doubt", FIRST_BYTE, async () => {
      if (this.#poll) return this.#probeLater();
      const { signal } = this.#asking;
      const events = this.#events;
      const news = await this.#ask(signal).catch(() => null);
      if (news) await pause(PACE); // it may have come about just now: then the stream brings it too
      if (news === null || signal.aborted || this.#source !== source || this.#events !== events) return;
      if (news || source.readyState !== EventSource.OPEN) this.#pollOn();
    });
  }

  async #pollOn() {
    this.#hush();
    const { signal } = (this.#poll = new AbortController());
    this.#tell({ type: "state", state: "polling" });
    this.#probeLater();
    try {
      while (!signal.aborted) {
        const next = Date.now() + PACE;
        await this.#ask(signal, WAIT);
        await pause(next - Date.now());
      }
    } catch {
      if (!signal.aborted) this.#retry();
    }
  }

  #probeLater() {
    this.#hush();
    this.#timers.start("probe", PROBE, () => this.#listen("")); // without an id something comes at once
  }

  #retry() {
    this.close();
    // Full jitter over the upper half: a thousand pages do not return at once.
    const most = this.#refused ? BACKOFF.most : Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#failures++);
    const delay = most / 2 + (Math.random() * most) / 2;
    this.#tell(this.#refused ? { type: "state", state: "signed-out" } : { type: "state", state: "reconnecting", until: Date.now() + delay });
    this.#timers.start("retry", delay, () => this.open());
    // An EventSource does not say why it was refused: 204 and 404 mean that the run is over.
    this.#ask(this.#asking.signal).catch(() => {});
  }

  /** Asks for the newest snapshots as JSON, tells those that are new, and returns whether there were any. */
  async #ask(signal, wait = 0) {
    const headers = { Accept: "application/json" };
    if (wait) headers.Prefer = `wait=${wait}`;
    if (this.#tag) headers["If-None-Match"] = this.#tag;
    const { withCredentials, unpack = (body) => [body] } = this.#options;
    const events = this.#events;
    const response = await fetch(this.#url, {
      headers, cache: "no-store", credentials: withCredentials ? "include" : "same-origin",
      signal: AbortSignal.any([signal, AbortSignal.timeout((wait + 15) * 1000)]),
    });
    if (response.status === 304) return false;
    if (response.status === 401 && !signal.aborted) {
      this.#refused = true;
      this.#tell({ type: "state", state: "signed-out" });
    }
    const type = response.headers.get("Content-Type") ?? "";
    const gone = [404, 410].includes(response.status) && type.startsWith("application/problem+json"); // not a proxy's
    if (gone || response.status === 204) {
      this.#tell({ type: "end" });
      return false;
    }
    if (response.status !== 200 || !type.startsWith("application/json")) throw new Error(`tidewire: GET ${this.#url} was answered ${response.status} ${type}`);
    const body = await response.json();
    signal.throwIfAborted();
    if (this.#events !== events) return false; // what the stream has brought meanwhile is newer
    this.#tag = response.headers.get("ETag") ?? "";
    const news = compare(this.#known, body === null ? [] : [...unpack(body)]);
    for (const message of news) this.#tell(message);
    if (this.#tag.endsWith('-end"')) this.#tell({ type: "end" });
    return news.length > 0;
  }
}

/** Timers by name; each can be started again, in place of the one that runs. */
class Timers {
  #all = new Map();

  start(name, ms, f) {
    this.stop(name);
    this.#all.set(name, setTimeout(() => {
      this.#all.delete(name);
      f();
    }, ms));
  }

  stop(name) {
    clearTimeout(this.#all.get(name));
    this.#all.delete(name);
  }

  runs(name) {
    return this.#all.has(name);
  }

  clear() {
    for (const name of [...this.#all.keys()]) this.stop(name);
  }
}

function pause(ms) {
  return new Promise((passed) => setTimeout(passed, ms));
}

/** What to tell someone who knows `known` when `snapshots` are all that there are. */
function compare(known, snapshots) {
  const keys = new Set(snapshots.map(keyOf));
  const lost = [...known.keys()].some((key) => !keys.has(key));
  const news = snapshots
    .filter((snapshot) => lost || JSON.stringify(snapshot) !== JSON.stringify(known.get(keyOf(snapshot))))
    .map((snapshot) => ({ type: "snapshot", snapshot }));
  return lost ? [{ type: "reset" }, ...news] : news;
}

function keyOf(snapshot) {
  return snapshot?.key ?? "";
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** The URL of a stream that goes on after an event; an EventSource made anew has no other way to say so. */
function resumed(url, id) {
  if (!id) return url;
  const to = new URL(url);
  to.searchParams.set("last_event_id", id);
  return to.href;
}

const words = {
  queued: "Waiting", running: "Running", cancelling: "Cancelling", succeeded: "Done",
  failed: "Failed", cancelled: "Cancelled", timed_out: "Timed out", lost: "Lost",
};
const going = new Set(["queued", "running", "cancelling"]);

/**
 * <tidewire-progress src="URL of a run's stream" label="what runs" cancel="URL to cancel it">
 *
 * A bar, a message, the status and a Cancel button for a run of
 * progress.Handler or of the gateway. Cancel sends POST to `cancel`, or
 * DELETE to `src` if there is none. It ships no styles: its parts are plain
 * elements of the page, with classes tidewire-message, -status and -cancel;
 * data-status and data-connection on the element say how it goes. It
 * dispatches "snapshot" and "end", with the snapshot as detail.
 */
class TidewireProgress extends HTMLElement {
  static observedAttributes = ["src", "label"];
  #subscription = null;
  #bar = part("progress");
  #message = part("p", "message");
  #status = part("p", "status");
  #cancel = part("button", "cancel");

  constructor() {
    super();
    this.#bar.max = 100;
    this.#message.dir = "auto";
    this.#status.setAttribute("role", "status"); // said aloud when it changes; percents are not
    this.#cancel.type = "button";
    this.#cancel.hidden = true;
    this.#cancel.textContent = "Cancel";
    this.#cancel.addEventListener("click", () => this.#stop());
  }

  connectedCallback() {
    this.replaceChildren(this.#bar, this.#message, this.#status, this.#cancel);
    this.#describe();
    this.#follow();
  }

  disconnectedCallback() {
    this.#subscription?.close();
    this.#subscription = null;
  }

  attributeChangedCallback(name) {
    if (!this.#bar.isConnected) return; // connectedCallback follows
    if (name === "src") this.#follow();
    else this.#describe();
  }

  #describe() {
    const label = this.getAttribute("label") || "Progress";
    this.#bar.setAttribute("aria-label", label);
    this.#cancel.setAttribute("aria-label", `Cancel ${label}`);
  }

  #follow() {
    this.#subscription?.close();
    this.#subscription = null;
    const src = this.getAttribute("src");
    if (!src) return;
    this.#subscription = subscribe(src, {
      onSnapshot: (snapshot) => this.#show(snapshot),
      onState: (state) => { this.dataset.connection = state; },
      onEnd: (snapshot) => {
        this.dataset.connection = "ended";
        this.#cancel.hidden = true;
        if (!this.dataset.status) this.#status.textContent = "There is no such run.";
        this.dispatchEvent(new CustomEvent("end", { detail: snapshot }));
      },
    });
  }

  #show(snapshot) {
    const { status, percent, stage, message, error } = snapshot ?? {};
    const ended = !going.has(status);
    this.dataset.status = status ?? "";
    if (typeof percent === "number") this.#bar.value = percent;
    else if (ended) this.#bar.value = status === "succeeded" ? 100 : 0;
    else this.#bar.removeAttribute("value"); // indeterminate
    this.#message.textContent = [stage, message].filter(Boolean).join(": ");
    const word = words[status] ?? String(status ?? "");
    const why = error && error !== status ? `${word}: ${error}` : word; // "cancelled" is said once
    if (this.#status.textContent !== why) this.#status.textContent = why;
    this.#cancel.hidden = ended;
    this.#cancel.disabled = status === "cancelling";
    this.dispatchEvent(new CustomEvent("snapshot", { detail: snapshot }));
  }

  async #stop() {
    this.#cancel.disabled = true;
    const url = this.getAttribute("cancel");
    try {
      const response = await fetch(url ?? this.getAttribute("src"), { method: url === null ? "DELETE" : "POST" });
      if (response.ok) return; // the stream shows the rest
      const problem = await response.json().catch(() => ({}));
      this.#status.textContent = problem.detail ?? `The server answered ${response.status}.`;
    } catch {
      this.#status.textContent = "The server cannot be reached.";
    }
    this.#cancel.disabled = false;
  }
}

function part(name, role) {
  const node = document.createElement(name);
  if (role) node.className = `tidewire-${role}`;
  return node;
}

if (!customElements.get("tidewire-progress")) customElements.define("tidewire-progress", TidewireProgress);
