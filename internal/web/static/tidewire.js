// Tidewire in the browser: live state over Server-Sent Events, for any page.
// One file without dependencies; docs/browser.md shows how to use it.
//
// subscribe() follows the stream at a URL. All tabs of an origin that follow the same URL share one connection: the tab
// that holds the Web Lock of its name leads, it has the Link and informs the others over a BroadcastChannel. When it
// closes, the lock goes to another tab, which continues after the last id that it received.
//
// The stream is read with fetch, not with an EventSource: that reveals neither the heartbeats, which distinguish an
// idle stream from a dead one, nor why a server refused. Link reconnects after a loss at the pace that the server asks
// for with `retry:`, leaves a connection that has gone silent, and polls where a proxy does not let streams through.
// Nothing gets lost: whoever opens anew gets the newest snapshots first.

const FIRST_EVENT = 5_000; // ms after which a stream without an event is suspected to be held back
const SILENCE = 45_000; // ms without a byte after which to reconnect
const LARGEST = 64 << 20; // maximum characters of a line of a stream
const HIDDEN = 60_000; // ms after which a hidden page gives up its connection
const PROBE = 120_000; // ms of polling after which the stream is tried again
const WAIT = 25; // seconds that a poll waits for a change
const PACE = 1_000; // minimum ms between two polls
const ANSWER = 1_500; // ms after which a leading tab that does not answer is replaced
const RENEW = 100; // ms within which requests of tabs for a new connection are combined
const PARTING = 200; // ms that the leading tab stays, so that the others learn of the end
const RETRY = 3_000; // ms between two connections, until the server asks for another time
const SILENT = 35_000; // ms without a sign of life after which <tidewire-source> claims nothing: two heartbeats were missed
const NEXT_RUN = 3_000; // maximum ms after which <tidewire-progress> checks whether a run has begun
const BACKOFF = { first: 1_000, most: 30_000 }; // ms between failing attempts

/**
 * Follows the stream at `url` until its run is over, or close() is called on
 * the result. Of `options`, all optional:
 *
 * - onSnapshot(snapshot, id): a new state; JSON is parsed. While polling there is no id.
 * - onState(state, until): "connecting", "live", "polling", "signed-out" (the server answers 401; it is asked again
 *   from time to time), or "reconnecting", with the time (ms since the epoch) of the next attempt if known.
 * - onEnd(snapshot): the run is over, or gone; its newest snapshot if there was one. Nothing follows.
 * - onReset(): discard all snapshots, the server has restarted; everything follows.
 * - onGap(missed): this many events of a topic with a backlog were missed.
 * - unpack(body): the snapshots in a JSON answer of `url`; by default the body is the only one.
 * - parse(text): parses the text of an event or of a JSON answer; by default JSON.parse, which keeps text that is not
 *   JSON. The result is cloned to other tabs.
 * - withCredentials: send cookies to another origin.
 * - share: false for a separate connection of this page.
 *
 * Snapshots that have a member `key` replace each other by key, others replace
 * each other. Handlers are not called before subscribe returns.
 *
 * heardAt of the result is the time of the server's last sign of life,
 * heartbeats included.
 */
export function subscribe(url, options = {}) {
  return new Subscription(new URL(url, document.baseURI).href, options);
}

class Subscription {
  #url; #options; #name;
  #known = new Map(); // newest snapshot by key
  #newest; #id = ""; // of the last event
  #state = ""; #until;
  #heardAt = 0;
  #me = Math.random().toString(36).slice(2);
  #over = new AbortController(); // removes the listeners on the page
  #channel = null; // between tabs; null while away, or alone
  #wish = null; // AbortController of the lock, held or waited for
  #link = null; // the connection, in the tab that leads
  #present = false;
  #timers = new Timers();

  constructor(url, options) {
    this.#url = url;
    this.#options = options;
    const kind = (options.withCredentials ? "with credentials " : "") + (options.parse ? "parsed " : ""); // only equal kinds share
    this.#name = `tidewire ${kind}${url}`;
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

  /**
   * When the server gave its last sign of life, to this tab or to the one that leads: ms since the epoch by this
   * machine's clock, 0 before the first. An idle stream of the gateway gives one every 15 s.
   */
  get heardAt() {
    return this.#heardAt;
  }

  /** Ends the subscription; handlers are not called any more. */
  close() {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#leave();
  }

  /**
   * Reconnects and continues after the last event: the stream at the URL may
   * have more topics than when it was opened.
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
    this.#wish?.abort(); // after the connection has ended: there is never a second one
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

  /** Requests the lead, or takes it from a tab that does not answer. */
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
    this.#channel?.postMessage({ type: "state", state: this.#state, until: this.#until }); // for tabs without a leader
    this.#link = new Link(this.#url, this.#options, this.#known, this.#id, (message) => {
      this.#channel?.postMessage(message);
      this.#take(message);
    });
    this.#link.open();
  }

  /** Asks the leading tab for its snapshots. */
  #greet() {
    if (!this.#channel) return;
    this.#channel.postMessage({ type: "hello", from: this.#me });
    this.#timers.start("answer", ANSWER, () => this.#stand(true));
  }

  /** Takes a message from another tab. */
  #hear(message) {
    if (this.#over.signal.aborted) return;
    if (this.#link) {
      if (message.type === "hello" && this.#state === "signed-out") this.#link.hurry(); // its page may have signed in
      if (message.type === "renew") this.#link.renew();
      if (message.type === "hello") this.#channel.postMessage({
        type: "welcome", to: message.from, snapshots: [...this.#known.values()], id: this.#id, state: this.#state, until: this.#until,
        heardAt: this.#heardAt,
      });
      return;
    }
    if (message.type === "hello" || message.type === "renew" || (message.to && message.to !== this.#me)) return;
    this.#timers.stop("answer");
    this.#timers.start("leader", 2 * SILENCE, () => this.#greet());
    if (message.type !== "welcome") return this.#take(message);
    for (const news of compare(this.#known, message.snapshots)) this.#take(news);
    this.#id = message.id;
    this.#heardAt = message.heardAt;
    this.#take({ type: "state", state: message.state, until: message.until });
  }

  /** Takes an event of the connection. */
  #take(message) {
    const { onSnapshot, onState, onReset, onGap, onEnd } = this.#options;
    if (message.type !== "state") this.#heardAt = Date.now();
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
        // A channel that is closed at once loses its messages, and the next tab with the lock would ask once more.
        setTimeout(() => this.#leave(), PARTING);
        onEnd?.(this.#newest);
    }
  }
}

/** The connection to a URL: a stream, or polls where streams do not come through. It reports in messages. */
class Link {
  #url; #options; #known; #id; #tell;
  #stream = null; // the connection to the stream; while polling, the one that probes
  #poll = null; // AbortController of the polls, null while there are none
  #asking = new AbortController(); // of single requests
  #tag = ""; // entity tag of the last JSON answer
  #pace = RETRY; // ms to wait after a stream has ended
  #since = 0; // the last sign of life, or the attempt to get one
  #events = 0; #failures = 0;
  #refused = false; // with 401, and nothing came since
  #timers = new Timers();

  /** Prepares a link that continues after the event `id`; `known` has the newest snapshots by key. */
  constructor(url, options, known, id, tell) {
    this.#url = url;
    this.#options = options;
    this.#known = known;
    this.#id = id;
    this.#tell = tell;
  }

  /** Connects, replacing the current connection or attempt. */
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

  /** Makes the next attempt now, if one is pending. */
  hurry() {
    if (this.#timers.runs("retry")) this.open();
  }

  /** Connects anew, once for all tabs that ask for it. A poll is a new request anyway. */
  renew() {
    if (!this.#poll) this.#timers.start("renew", RENEW, () => this.open());
  }

  /** Reconnects after too long a silence: timers stand still while a machine sleeps. */
  check() {
    if (this.#stream && !this.#poll && Date.now() - this.#since > SILENCE) this.#silent();
    else this.hurry();
  }

  async #listen(id) {
    const stream = (this.#stream = { abort: new AbortController(), open: false });
    const isCurrent = () => this.#stream === stream;
    this.#doubt(stream);
    if (!this.#poll) this.#heard();
    try {
      const response = await this.#get(resumed(this.#url, id), { Accept: "text/event-stream" }, stream.abort.signal);
      if (!isCurrent() || this.#isEnd(response)) return;
      if (response.status === 401) this.#refused = true;
      if (response.status !== 200 || !hasType(response, "text/event-stream")) throw failed(response);
      stream.open = true;
      if (!this.#poll) this.#opened(stream); // otherwise only an event proves that the stream works, not its head
      for await (const events of piecesOf(response.body, id, (ms) => { this.#pace = ms; })) {
        if (!isCurrent()) return;
        if (!this.#poll) this.#heard();
        if (events.length === 0) this.#tell({ type: "beat" });
        for (const event of events) if (isCurrent()) this.#happened(event);
      }
    } catch {
      // A network error, an answer that is not a stream, or the end of this link.
    }
    if (isCurrent()) this.#lost(stream);
  }

  #opened(stream) {
    this.#failures = 0;
    this.#refused = false;
    this.#heard();
    this.#doubt(stream);
    this.#tell({ type: "beat" });
    this.#tell({ type: "state", state: "live" });
  }

  /** Reports an event of the stream. */
  #happened({ name, data, id }) {
    switch (name) {
      case "message":
        this.#arrived();
        this.#id = id;
        this.#tell({ type: "snapshot", snapshot: this.#parse(data), id });
        if (id.endsWith("-end")) this.#tell({ type: "end" });
        break;
      case "reset":
        this.#arrived();
        this.#tell({ type: "reset" });
        break;
      case "gap":
        this.#arrived();
        this.#tell({ type: "gap", missed: Number(data) });
        break;
      case "bye": // no #arrived: the stream ends now, and something on the way that holds it back passes this on with its end
        if (!this.#poll) this.#tell({ type: "state", state: "reconnecting" });
        break;
      default: // not used here
        this.#tell({ type: "beat" });
    }
  }

  /** Reconnects after a stream that has ended or could not be opened. */
  #lost(stream) {
    this.#timers.stop("doubt");
    if (this.#poll) return this.#probeLater();
    if (!stream.open) return this.#retry();
    this.close();
    this.#tell({ type: "state", state: "reconnecting", until: Date.now() + this.#pace });
    this.#timers.start("retry", this.#pace, () => this.open());
  }

  /** Leaves a connection that is silent, even without heartbeats. */
  #silent() {
    this.#tell({ type: "state", state: "reconnecting" });
    this.open();
  }

  /** Ends only the stream. */
  #hush() {
    this.#stream?.abort.abort();
    this.#stream = null;
    this.#timers.stop("doubt");
    this.#timers.stop("silence");
  }

  #heard() {
    this.#since = Date.now();
    this.#timers.start("silence", SILENCE, () => this.#silent());
  }

  /** Records that events come through. */
  #arrived() {
    this.#events++;
    this.#timers.stop("doubt");
    if (!this.#poll) return;
    this.#poll.abort();
    this.#poll = null;
    this.#failures = 0;
    this.#heard();
    this.#tell({ type: "state", state: "live" });
  }

  /** If no event arrives soon, requests the state: if there is one, something on the way holds back the stream. */
  #doubt(stream) {
    this.#timers.start("doubt", FIRST_EVENT, async () => {
      if (this.#poll) return this.#probeLater();
      const { signal } = this.#asking;
      const events = this.#events;
      const news = await this.#ask(signal).catch(() => null);
      if (news) await pause(PACE); // it may have been published just now, and still arrive by the stream
      if (news === null || signal.aborted || this.#stream !== stream || this.#events !== events) return;
      if (news || !stream.open) this.#pollOn();
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
    this.#timers.start("probe", PROBE, () => this.#listen("")); // without an id an event comes at once
  }

  #retry() {
    this.close();
    // Full jitter over the upper half, so that a thousand pages do not return at once.
    const most = this.#refused ? BACKOFF.most : Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#failures++);
    const delay = most / 2 + (Math.random() * most) / 2;
    this.#tell(this.#refused ? { type: "state", state: "signed-out" } : { type: "state", state: "reconnecting", until: Date.now() + delay });
    this.#timers.start("retry", delay, () => this.open());
    this.#ask(this.#asking.signal).catch(() => {}); // the state, as far as available meanwhile
  }

  /** Requests the newest snapshots as JSON, reports the new ones, and returns whether there were any. */
  async #ask(signal, wait = 0) {
    const headers = { Accept: "application/json" };
    if (wait) headers.Prefer = `wait=${wait}`;
    if (this.#tag) headers["If-None-Match"] = this.#tag;
    const { unpack = (body) => [body] } = this.#options;
    const events = this.#events;
    const response = await this.#get(this.#url, headers, AbortSignal.any([signal, AbortSignal.timeout((wait + 15) * 1000)]));
    signal.throwIfAborted();
    if (response.status === 304) {
      this.#tell({ type: "beat" });
      return false;
    }
    if (response.status === 401) {
      this.#refused = true;
      this.#tell({ type: "state", state: "signed-out" });
    }
    if (this.#isEnd(response)) return false;
    if (response.status !== 200 || !hasType(response, "application/json")) throw failed(response);
    const body = (this.#options.parse ?? JSON.parse)(await response.text());
    signal.throwIfAborted();
    if (this.#events !== events) return false; // events from the stream meanwhile are newer
    this.#tell({ type: "beat" });
    this.#tag = response.headers.get("ETag") ?? "";
    const news = compare(this.#known, body === null ? [] : [...unpack(body)]);
    for (const message of news) this.#tell(message);
    if (this.#tag.endsWith('-end"')) this.#tell({ type: "end" });
    return news.length > 0;
  }

  #parse(data) {
    try {
      return (this.#options.parse ?? JSON.parse)(data);
    } catch {
      return data;
    }
  }

  #get(url, headers, signal) {
    const credentials = this.#options.withCredentials ? "include" : "same-origin";
    return fetch(url, { headers, credentials, signal, cache: "no-store" });
  }

  /** Reports the end if an answer means that, and returns whether it does: 204, or 404 and 410 not from a proxy. */
  #isEnd(response) {
    const isGone = [404, 410].includes(response.status) && hasType(response, "application/problem+json");
    if (!isGone && response.status !== 204) return false;
    this.#tell({ type: "end" });
    return true;
  }
}

function hasType(response, type) {
  return (response.headers.get("Content-Type") ?? "").toLowerCase().startsWith(type);
}

function failed(response) {
  response.body?.cancel().catch(() => {});
  return new Error(`tidewire: GET ${response.url} was answered ${response.status} ${response.headers.get("Content-Type")}`);
}

/**
 * Reads an event stream (WHATWG HTML §9.2.6) and yields, for each piece that comes, the events that it completes: {name,
 * data, id}. Comments and the like make a piece without events. `id` is that of the last event before; `paced` is called
 * with each `retry:`, in ms.
 */
async function* piecesOf(body, id, paced) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", name = "", data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return; // an incomplete event does not count
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/); // a CR at the end may be half of a line end
      rest = lines.pop();
      if (rest.length > LARGEST) throw new Error("tidewire: a line of the stream is too long");
      const events = [];
      for (const line of lines) {
        const [, field, text = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
        if (line === "") {
          if (data.length > 0) events.push({ name: name || "message", data: data.join("\n"), id });
          [name, data] = ["", []];
        } else if (field === "data") data.push(text);
        else if (field === "event") name = text;
        else if (field === "id" && !text.includes("\0")) id = text;
        else if (field === "retry" && /^\d+$/.test(text)) paced(Number(text));
      }
      yield events;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Timers by name; starting one again replaces it. */
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

/** The messages for a reader with `known` snapshots, when `snapshots` are all that exist. */
function compare(known, snapshots) {
  const keys = new Set(snapshots.map(keyOf));
  const lost = [...known.keys()].some((key) => !keys.has(key));
  const news = snapshots
    .filter((snapshot) => lost || written(snapshot) !== written(known.get(keyOf(snapshot))))
    .map((snapshot) => ({ type: "snapshot", snapshot }));
  return lost ? [{ type: "reset" }, ...news] : news;
}

/** A snapshot as text that is equal for equal snapshots, including values that JSON does not have. */
function written(snapshot) {
  return JSON.stringify(snapshot, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}

function keyOf(snapshot) {
  return snapshot?.key ?? "";
}

/** The URL of a stream that continues after an event. A header would cause a preflight at other origins. */
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
 * <tidewire-progress src="URL of a run, or of a job" label="what runs" start="URL to start it" cancel="URL to cancel it">
 *
 * A bar, a message, the status, a Start and a Cancel button for a run of
 * progress.Handler or of the gateway. At the URL of a job it waits for a run to
 * begin, and after its end for the next one; at the URL of one run it shows that
 * one. Start, which is there if `start` is, sends POST to it, "" meaning `src`;
 * Cancel sends POST to `cancel`, or what the run's API has for that. It ships no
 * styles: its parts are plain elements of the page, with classes
 * tidewire-message, -status, -start and -cancel; data-status and
 * data-connection on the element say how it goes. It dispatches "snapshot" and
 * "end", with the snapshot as detail.
 */
class TidewireProgress extends HTMLElement {
  static observedAttributes = ["src", "label", "start"];
  #subscription = null;
  #snapshot; // the newest
  #waiting = new AbortController(); // for a run to begin
  #bar = part("progress");
  #message = part("p", "message");
  #status = part("p", "status");
  #start = part("button", "start");
  #cancel = part("button", "cancel");

  constructor() {
    super();
    this.#bar.max = 100;
    this.#message.dir = "auto";
    this.#status.setAttribute("role", "status"); // announced when it changes; percentages are not
    for (const [button, text, act] of [[this.#start, "Start", () => this.#begin()], [this.#cancel, "Cancel", () => this.#stop()]]) {
      button.type = "button";
      button.hidden = true;
      button.textContent = text;
      button.addEventListener("click", act);
    }
  }

  /** The followed URL, as written; "" for none. */
  get src() {
    return this.getAttribute("src") ?? "";
  }

  set src(url) {
    this.setAttribute("src", url);
  }

  connectedCallback() {
    this.replaceChildren(this.#bar, this.#message, this.#status, this.#start, this.#cancel);
    this.#describe();
    this.#restart();
  }

  disconnectedCallback() {
    this.#leave();
  }

  attributeChangedCallback(name) {
    if (!this.#bar.isConnected) return; // connectedCallback follows
    if (name === "src") this.#restart();
    else this.#describe();
  }

  #describe() {
    const label = this.getAttribute("label") || "Progress";
    this.#bar.setAttribute("aria-label", label);
    this.#start.setAttribute("aria-label", `Start ${label}`);
    this.#cancel.setAttribute("aria-label", `Cancel ${label}`);
    this.#offer();
  }

  /** Shows the buttons that make sense now. */
  #offer() {
    const isGoing = going.has(this.#snapshot?.status);
    this.#start.hidden = isGoing || !this.hasAttribute("start");
    this.#cancel.hidden = !isGoing;
  }

  #restart() {
    this.#leave();
    this.#snapshot = undefined;
    delete this.dataset.status;
    this.#bar.value = 0;
    this.#message.textContent = this.#status.textContent = "";
    this.#offer();
    if (this.src) this.#follow();
  }

  #leave() {
    this.#waiting.abort();
    this.#subscription?.close();
    this.#subscription = null;
  }

  #follow() {
    this.#leave();
    this.#subscription = subscribe(this.src, {
      withCredentials: this.hasAttribute("with-credentials"),
      unpack: (body) => body?.snapshots ?? [body],
      onSnapshot: (snapshot) => this.#show(snapshot),
      onState: (state) => { this.dataset.connection = state; },
      onEnd: () => this.#ended(),
    });
  }

  #ended() {
    this.#subscription = null;
    const isNone = this.#snapshot === undefined;
    const isOneRun = /[?&]run=|\/runs\/[^/]+\/events$/.test(new URL(this.src, document.baseURI).href);
    this.dataset.connection = isNone && !isOneRun ? "waiting" : "ended";
    if (isNone) this.#status.textContent = isOneRun ? "There is no such run." : "Not running";
    else this.dispatchEvent(new CustomEvent("end", { detail: this.#snapshot }));
    this.#offer();
    if (!isOneRun) this.#await();
  }

  /** Checks from time to time whether another run has begun, and follows it. */
  async #await() {
    const { signal } = (this.#waiting = new AbortController());
    const shown = JSON.stringify(this.#snapshot);
    let tag = "";
    for (;;) {
      await pause(NEXT_RUN / 2 + (Math.random() * NEXT_RUN) / 2);
      if (signal.aborted) return;
      if (document.hidden) continue;
      try {
        const response = await this.#fetch(this.src, { signal, headers: { Accept: "application/json", ...(tag && { "If-None-Match": tag }) } });
        if (response.status === 200 && JSON.stringify(await response.json()) !== shown) return signal.aborted || this.#follow();
        if (response.status === 200) tag = response.headers.get("ETag") ?? "";
        else response.body?.cancel();
      } catch {
        if (signal.aborted) return; // otherwise the server is down, and asked again
      }
    }
  }

  #fetch(url, options) {
    return fetch(url, { cache: "no-store", credentials: this.hasAttribute("with-credentials") ? "include" : "same-origin", ...options });
  }

  #show(snapshot) {
    if (snapshot === null) return; // no run yet
    const { status, percent, stage, message, error, warned } = snapshot;
    const ended = !going.has(status);
    this.#snapshot = snapshot;
    this.dataset.status = status ?? "";
    if (typeof percent === "number") this.#bar.value = percent;
    else if (ended) this.#bar.value = status === "succeeded" ? 100 : 0;
    else this.#bar.removeAttribute("value"); // indeterminate
    this.#message.textContent = [stage, message].filter(Boolean).join(": ");
    const word = warned ? "Done, with a warning" : (words[status] ?? String(status ?? ""));
    const why = error && error !== status ? `${word}: ${error}` : word; // "cancelled" is shown only once
    if (this.#status.textContent !== why) this.#status.textContent = why;
    this.#offer();
    this.#cancel.disabled = status === "cancelling";
    this.dispatchEvent(new CustomEvent("snapshot", { detail: snapshot }));
  }

  async #begin() {
    const url = this.getAttribute("start") || this.src;
    const headers = { "Content-Type": "application/json" };
    const response = await this.#ask(this.#start, url, { method: "POST", headers, body: "{}" });
    if (!response) return;
    const { events } = await response.json().catch(() => ({}));
    if (!this.src && events) this.src = new URL(events, response.url).href;
    else if (!this.#subscription) this.#follow();
  }

  #stop() {
    const to = new URL(this.src, document.baseURI);
    const run = /^(.*\/runs\/[^/]+)\/events$/.exec(to.pathname); // of the gateway
    let url = this.getAttribute("cancel"), method = "POST";
    if (url === null && run) url = new URL(`${run[1]}/cancel`, to).href;
    else if (url === null && this.#snapshot?.key?.startsWith("job/")) url = new URL(`runs/${encodeURIComponent(this.#snapshot.id)}/cancel`, to).href;
    else if (url === null) [url, method] = [to.href, "DELETE"];
    this.#ask(this.#cancel, url, { method }); // the stream shows the rest
  }

  /**
   * Makes a request for a button, and returns the answer if that is a success; otherwise the status shows the error. An
   * accepted Cancel stays disabled until the stream brings news. That may have come before the answer, even of the next
   * run: the answer does not change the button.
   */
  async #ask(button, url, options) {
    button.disabled = true;
    try {
      const response = await this.#fetch(url, options);
      if (response.ok) {
        if (button !== this.#cancel) button.disabled = false;
        return response;
      }
      const problem = await response.json().catch(() => ({}));
      this.#status.textContent = problem.detail ?? `The server answered ${response.status}.`;
    } catch {
      this.#status.textContent = "The server cannot be reached.";
    }
    button.disabled = false;
    return null;
  }
}

function part(name, role) {
  const node = document.createElement(name);
  if (role) node.className = `tidewire-${role}`;
  return node;
}

/** The subscriptions of elements, by what they follow: elements of a page share them. */
const shared = new Map();

/** Has `element` told of what comes from a URL, by the methods onSnapshot, onState and onEnd. */
function join(url, withCredentials, element) {
  const key = `${withCredentials} ${url}`;
  let all = shared.get(key);
  if (!all) {
    const elements = new Set(), known = new Map();
    const tell = (name) => (...what) => elements.forEach((one) => one[name](...what));
    const follow = subscribe(url, {
      withCredentials, parse: exactly, unpack: (body) => body?.snapshots ?? [body], onState: tell("onState"), onReset: () => known.clear(),
      onSnapshot: (snapshot) => {
        known.set(keyOf(snapshot), snapshot);
        tell("onSnapshot")(snapshot);
      },
      onEnd: () => {
        shared.delete(key);
        tell("onEnd")();
      },
    });
    shared.set(key, (all = { elements, known, follow }));
  }
  all.elements.add(element);
  all.known.forEach((snapshot) => element.onSnapshot(snapshot));
  return {
    get heardAt() { return all.follow.heardAt; },
    leave() {
      if (!all.elements.delete(element) || all.elements.size > 0 || shared.get(key) !== all) return;
      shared.delete(key);
      all.follow.close();
    },
  };
}

/** Parses JSON; integers that a number cannot hold become a bigint, where the browser has the text of numbers. */
function exactly(json) {
  return JSON.parse(json, (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source) ? BigInt(context.source) : value);
}

const conditions = {
  ok: "ok", stale: "stale", failing: "failing", removed: "removed", paused: "paused", alert: "alert", unknown: "alert unknown",
  acknowledged: "acknowledged", silenced: "silenced", pending: "alert soon", waiting: "first poll", lost: "not known",
};

/** The one thing to be said of a source, as on the gateway's page. */
function judged({ state, alert, paused }, isOld) {
  const fires = alert?.state === "firing" && !alert.silenced;
  if (state === "removed") return "removed";
  if (fires && !alert.acknowledged) return "alert";
  if (state === "failing") return "failing";
  if (state === "stale" || (state === "ok" && isOld && !paused)) return "stale";
  if (alert?.state === "unknown") return "unknown";
  if (fires) return "acknowledged";
  if (paused) return "paused";
  if (alert?.state === "firing") return "silenced";
  if (alert?.state === "pending") return "pending";
  return state === "pending" ? "waiting" : "ok";
}

/**
 * <tidewire-source src="URL of a stream of the gateway" name="of the source" label="its title" href="where that leads">
 *
 * The title, the value with its unit, the state and the age of a source. `name` is not needed for a stream of one source,
 * such as /api/v1/stream?sources=tank. Elements with the same `src` share one stream. It ships no styles: its parts are
 * plain elements of the page, with classes tidewire-title, -value, -unit, -state and -age; data-state on the element has
 * the state as one word, and data-connection how the connection is. After two missed heartbeats the state is "not known".
 * It dispatches "snapshot" with the snapshot as detail.
 */
class TidewireSource extends HTMLElement {
  static observedAttributes = ["src", "name", "label", "href", "with-credentials"];
  #stream = null;
  #snapshot; // the newest
  #ahead = 0; // of this machine's clock, in ms, as far as snapshots have shown
  #isSure = false; // that #ahead is of a snapshot that came at once
  #ticks;
  #title = part("a", "title");
  #value = part("b", "value");
  #unit = part("span", "unit");
  #state = part("span", "state");
  #age = part("span", "age");

  constructor() {
    super();
    this.#state.setAttribute("role", "status"); // announced when it changes; values are not
    for (const node of [this.#title, this.#value, this.#unit]) node.dir = "auto";
  }

  connectedCallback() {
    const space = () => document.createTextNode(" ");
    this.replaceChildren(this.#title, space(), this.#value, space(), this.#unit, space(), this.#state, space(), this.#age);
    this.#ticks = setInterval(() => document.hidden || this.#draw(), 1000);
    this.#restart();
  }

  disconnectedCallback() {
    clearInterval(this.#ticks);
    this.#stream?.leave();
  }

  attributeChangedCallback(name, before, now) {
    if (!this.#title.isConnected || before === now) return; // connectedCallback follows
    if (name === "label" || name === "href") this.#draw();
    else this.#restart();
  }

  #restart() {
    this.#stream?.leave();
    this.#snapshot = this.#stream = undefined;
    this.dataset.connection = "connecting";
    const src = this.getAttribute("src");
    if (src) this.#stream = join(new URL(src, document.baseURI).href, this.hasAttribute("with-credentials"), this);
    this.#draw();
  }

  /** @private */
  onState(state) {
    this.dataset.connection = state;
    this.#draw();
  }

  /** @private */
  onEnd() {
    this.dataset.connection = "ended";
    this.#draw();
  }

  /** @private */
  onSnapshot(snapshot) {
    const { key = "", name, updated_at: at } = snapshot ?? {};
    if (!key.startsWith("source/") || (this.hasAttribute("name") && name !== this.getAttribute("name"))) return;
    const passed = Date.now() - Date.parse(at);
    if (at && at !== this.#snapshot?.updated_at) { // without the server's time, the promptest snapshot has to do
      const isNews = this.#snapshot !== undefined && this.dataset.connection === "live";
      if (passed < this.#ahead || (isNews && !this.#isSure)) this.#ahead = passed;
      this.#isSure ||= isNews;
    }
    this.#snapshot = snapshot;
    this.#draw();
    this.dispatchEvent(new CustomEvent("snapshot", { detail: snapshot }));
  }

  #draw() {
    const now = Date.now() - this.#ahead, snapshot = this.#snapshot ?? {};
    const { value, show = {}, updated_at: at, stale_at: until } = snapshot;
    const isLost = this.dataset.connection === "ended" || !this.#snapshot || Date.now() - this.#stream?.heardAt > SILENT;
    const state = isLost ? "lost" : judged(snapshot, until && now > Date.parse(until) + 5000);
    const head = value && typeof value === "object" && !Array.isArray(value) ? value[show.value ?? Object.keys(value)[0]] : value;
    this.dataset.state = state;
    this.#write(this.#title, this.getAttribute("label") ?? (snapshot.title || snapshot.name || this.getAttribute("name") || ""));
    this.#write(this.#value, brief(head, show.decimals));
    this.#write(this.#unit, head == null ? "" : show.unit ?? "");
    const isGone = this.dataset.connection === "ended" && !this.#snapshot;
    this.#write(this.#state, isGone ? "There is no such source." : this.dataset.connection === "signed-out" ? "signed out" : state === "waiting" && !(snapshot.every || snapshot.next_at || snapshot.pace) ? "first value" : conditions[state]);
    this.#write(this.#age, at ? ago(now - Date.parse(at)) : "");
    if (this.hasAttribute("href")) this.#title.href = this.getAttribute("href");
    else this.#title.removeAttribute("href");
  }

  #write(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }
}

/**
 * A value in a few characters. A number that is not whole has as many decimals as the configuration says, or five digits that count, and
 * never fewer than two behind the point.
 */
function brief(value, decimals) {
  if (value === undefined || value === null) return "–";
  if (typeof value === "number" || typeof value === "bigint") {
    const isWhole = typeof value === "bigint" || Number.isInteger(value);
    const digits = decimals !== undefined && !(isWhole && value > 1e15) ? { minimumFractionDigits: decimals, maximumFractionDigits: decimals }
      : isWhole || Math.abs(value) >= 1000 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 5 };
    return new Intl.NumberFormat("en", { useGrouping: "min2", ...digits, ...(Math.abs(Number(value)) >= 1e21 && { notation: "scientific" }) }).format(value);
  }
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 199)}…` : value;
  const n = Object.keys(value).length, one = n === 1;
  return Array.isArray(value) ? `${n} ${one ? "entry" : "entries"}` : `${n} ${one ? "field" : "fields"}`;
}

function ago(ms) {
  if (ms < 3000) return "just now";
  const [n, unit] = ms < 90e3 ? [ms / 1e3, "s"] : ms < 3600e3 ? [ms / 60e3, "min"] : ms < 48 * 3600e3 ? [ms / 3600e3, "h"] : [ms / 86400e3, "days"];
  return `${Math.floor(n)} ${unit} ago`;
}

for (const [name, element] of [["tidewire-progress", TidewireProgress], ["tidewire-source", TidewireSource]]) {
  if (!customElements.get(name)) customElements.define(name, element);
}
