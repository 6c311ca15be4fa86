// The data of the page: the newest snapshot of each source and run, the recent numbers of each source, and the alerts.
// Snapshots replace each other; nothing queues up.

import * as api from "./api.js";
import * as clock from "./clock.js";
import { fires } from "./views.js";

const SAMPLES = 120; // numbers kept for each source, or asked for where the gateway remembers more
const LANES = 3; // histories asked for at a time: browsers have six connections for a host on HTTP/1.1
const RETRY = 3_000; // ms after which failed lists are asked for again
const SPREAD = 2_000; // ms over which pages spread their requests after jobs have moved to other replicas
const CALM = 300, EACH = 10; // ms between two requests for the alerts, and for each alert of an answer: many change at a time

const quiet = { alerts: new Map(), silences: [], receivers: [] }; // before anything is known
const terminal = new Set(["succeeded", "failed", "cancelled", "timed_out", "lost"]);

/** Reports whether a run has reached its end. */
export function ended(run) {
  return terminal.has(run.status);
}

/**
 * Splits a source's value into the part that is shown big (undefined if no
 * part stands out) and the rest: what `show.value` names, a lone field, or a
 * value that is no object in the first place.
 */
export function headline({ value, show }) {
  if (value === null || value === undefined) return {};
  if (Array.isArray(value)) return { rest: value };
  if (typeof value !== "object") return { big: value };
  const names = Object.keys(value);
  const name = show?.value || (names.length === 1 ? names[0] : "");
  if (typeof value[name] === "object" || !(name in value)) return { rest: value };
  const { [name]: big, ...rest } = value;
  return { big, rest };
}

/** A figure as a number for charts, or null; a large integer is rounded. */
export function magnitude(figure) {
  return typeof figure === "number" || typeof figure === "bigint" ? Number(figure) : null;
}

/** A job and its newest run; the queue and the limit may be newer than that run. */
function entry(job, run) {
  const { queue = job.queue, queued = job.queued, available_at = job.available_at } = run ?? {};
  return { job: { ...job, queue, queued, available_at }, run };
}

/**
 * A run that went on when it was last heard of, and of which the gateway knows nothing: it is another process now, and
 * runs are in the memory of one. When it ended is not known, so it is when that is noticed.
 */
function lost(run) {
  const waited = run.queue?.length ? ` or what became of ${run.queue.length} queued` : "";
  const error = `the gateway restarted; it is unknown how the run ended${waited}`;
  return { ...run, status: "lost", error, finished_at: new Date(clock.now()).toISOString(), queue: [], available_at: null };
}

export class Store {
  /** Sources by name, jobs (as {job, run}) by name, in the configuration's order. */
  sources = new Map();
  jobs = new Map();
  /** Whether the lists have arrived: before that, the order is unknown. */
  loaded = false;
  /** The configuration according to the stream; its error is null if the newest file is in effect. */
  config = null;
  /** Alerts that are not clear, by the key of their source or job; silences; and how the receivers are. */
  alerts = quiet;
  /** The gateways that share the store; none if there can be no others. */
  replicas = [];

  #samples = new Map();
  #asking = new Set(); // keys of sources whose history, and of jobs whose next start, was requested
  #lanes = Array(LANES).fill(Promise.resolve()); // each requests one history after another
  #lane = 0; // of the next one
  #mine = new Set(); // ids of runs that this page has started or joined
  #changed; #transition; #reconfigured;
  #heard = new Set(); // keys that the stream has sent since the last reload began
  #soon = null; // the timer of the next reload; null if there is none
  #runs = new Map(); // newest run by job, also of jobs not listed yet
  #asked = 0; // how often the alerts were to be requested
  #waking = false; // that is being done

  /**
   * `changed` is called after each change, with the snapshot's key if the stream brought it; `transition` gets a sentence for
   * people; `reconfigured` is called when other sources and jobs may exist.
   */
  constructor(changed, transition, reconfigured) {
    this.#changed = changed;
    this.#transition = transition;
    this.#reconfigured = reconfigured;
  }

  /** Takes a snapshot from the stream. */
  apply(snapshot) {
    this.#heard.add(snapshot.key);
    if (snapshot.key.startsWith("source/")) this.#source(snapshot);
    else if (snapshot.key.startsWith("job/")) this.#run(snapshot);
    else if (snapshot.key === "config") this.#configure(snapshot);
    else if (snapshot.key === "alerts") this.#wake();
    else if (snapshot.key === "replicas") this.#replicate(snapshot.replicas);
    this.#changed(snapshot.key);
  }

  /**
   * Takes the answer to a trigger, unless the stream told about the run before. One that
   * waits behind another is in the queue, of which the stream tells.
   */
  started(run) {
    this.#mine.add(run.id);
    const known = this.#runs.get(run.job);
    if (!known || (known.id !== run.id && ended(known) && known.created_at <= run.created_at)) this.#run(run);
    this.#changed();
  }

  /** Reports whether this page has started or joined a run. */
  mine(id) {
    return this.#mine.has(id);
  }

  /**
   * Asks which sources and jobs exist and in what order. What is listed no
   * more is forgotten; what the stream has sent meanwhile is newer and stays.
   */
  async reload() {
    const heard = this.#heard = new Set();
    try {
      const [sources, jobs] = await Promise.all([api.sources(), api.jobs()]);
      if (heard !== this.#heard) return; // a later reload is newer
      this.#list(sources, jobs);
      this.#changed();
      this.#wake();
    } catch ({ status }) {
      if (status === 401) return; // signing in starts over
      setTimeout(() => heard === this.#heard && this.reload(), RETRY);
    }
  }

  /** Forgets everything, until the next reload. */
  forget() {
    this.#heard = new Set();
    this.loaded = false;
    this.alerts = quiet;
    this.replicas = [];
    for (const known of [this.sources, this.jobs, this.#samples, this.#runs]) known.clear();
    this.#changed();
  }

  /**
   * The recent numbers of a source: [[ms since the epoch, number, least, most], ...], the
   * latter two of all polls since the element before; all null where no poll gave one.
   */
  samples(name) {
    return this.#samples.get(name) ?? [];
  }

  #list(sources, jobs) {
    const known = this.sources;
    this.sources = new Map();
    for (const source of sources) {
      const newer = this.#heard.has("source/" + source.name) && known.get(source.name);
      this.sources.set(source.name, newer || source);
      this.#sample(source);
    }
    const runs = this.#runs;
    this.#runs = new Map();
    this.jobs = new Map();
    for (const job of jobs) {
      const known = runs.get(job.name);
      let run = this.#heard.has("job/" + job.name) ? known : job.last_run;
      if (!run && known && !ended(known)) {
        run = lost(known);
        this.#transition(`${job.title || job.name} lost: the gateway restarted`);
      } else if (!run && known?.status === "lost") run = known;
      if (run) this.#runs.set(job.name, run);
      this.jobs.set(job.name, entry(job, run));
    }
    this.loaded = true;
  }

  /** Requests the alerts, of which the stream says just that they have changed. What changes meanwhile is in the next answer. */
  async #wake() {
    this.#asked++;
    if (this.#waking) return;
    this.#waking = true;
    for (let asked = 0; asked !== this.#asked;) {
      asked = this.#asked;
      const heard = this.#heard;
      const answer = await api.alerts().catch(({ status }) => status);
      if (typeof answer === "object" && heard === this.#heard) this.#take(answer);
      else if (answer === 0 || answer >= 500) this.#asked++; // again, after a pause
      const pause = typeof answer === "object" ? Math.max(CALM, EACH * answer.alerts.length) : RETRY;
      await new Promise((done) => setTimeout(done, pause));
    }
    this.#waking = false;
  }

  #take({ alerts, silences, receivers }) {
    const before = this.alerts;
    this.alerts = { alerts: new Map(alerts.map((alert) => [alert.key, alert])), silences, receivers };
    for (const [name, { job }] of before === quiet ? [] : this.jobs) {
      const was = fires(before.alerts.get("job/" + name)), is = fires(this.alerts.alerts.get("job/" + name));
      if (is !== was) this.#transition(`Alert of ${job.title || name} ${is ? "is firing" : "is over"}`);
    }
    this.#changed();
  }

  #configure(config) {
    const before = this.config?.version ?? config.version;
    this.config = config;
    if (config.version !== before) this.#reconfigured();
  }

  #replicate(replicas) {
    const before = this.replicas;
    this.replicas = replicas;
    if (before.length === 0) return;
    const names = (list) => new Set(list.map(({ name }) => name));
    const was = names(before), is = names(replicas);
    for (const name of is) if (!was.has(name)) this.#transition(`Replica ${name} has joined`);
    for (const name of was) if (!is.has(name)) this.#transition(`Replica ${name} is gone`);
    const starts = (list) => list.map(({ id, jobs }) => `${id} ${jobs}`).join();
    if (starts(before) !== starts(replicas)) this.#reloadSoon(); // jobs say which one starts their runs
  }

  /** Reloads in a moment, once for all changes until then, and not at the same time as all other pages. */
  #reloadSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.reload();
    }, CALM + SPREAD * Math.random());
  }

  #source(source) {
    const known = this.sources.get(source.name), before = known?.state;
    if (source.state === "removed") {
      if (this.sources.delete(source.name)) this.#transition(`${source.title || source.name} was removed`);
      this.#samples.delete(source.name);
      return;
    }
    this.sources.set(source.name, source);
    if (before === "ok" && source.state !== "ok") this.#gap(source.name);
    this.#sample(source);
    const is = fires(source.alert);
    if (known && is !== fires(known.alert)) this.#transition(`Alert of ${source.title || source.name} ${is ? "is firing" : "is over"}`);
    if (!before || before === source.state || before === "pending") return;
    const now = { ok: "is ok again", stale: "is stale", failing: "is failing", pending: "waits for its first value" };
    this.#transition(`${source.title || source.name} ${now[source.state]}`);
  }

  #run(run) {
    const before = this.#runs.get(run.job);
    this.#runs.set(run.job, run);
    const known = this.jobs.get(run.job);
    if (!known) return;
    this.jobs.set(run.job, entry(known.job, run));
    if (Date.parse(known.job.next_at) <= clock.now()) this.#schedule(run.job);
    if (before?.id === run.id && !ended(before) && ended(run)) {
      this.#transition(`${known.job.title || run.job} ${run.status.replace("_", " ")}`);
    }
  }

  #sample(source) {
    const figure = magnitude(headline(source).big);
    const at = Date.parse(source.updated_at);
    if (figure === null || Number.isNaN(at)) return;
    let list = this.#samples.get(source.name);
    if (!list) this.#samples.set(source.name, list = []);
    if (list.length && list.at(-1)[0] >= at) return;
    list.push([at, figure, figure, figure]);
    if (source.show?.history && (list.length === 1 || list.length > 2 * SAMPLES)) this.#remember(source.name, list);
    if (list.length > 2 * SAMPLES) list.shift();
  }

  /** Records that polls of a source no longer give a number. */
  #gap(name) {
    const list = this.#samples.get(name), at = list?.at(-1);
    if (at && at[1] !== null) list.push([at[0], null, null, null]);
  }

  /** Requests the next start of a job, after the known one has passed. */
  async #schedule(name) {
    const key = "job/" + name;
    if (this.#asking.has(key)) return;
    this.#asking.add(key);
    const { next_at } = await api.job(name).catch(() => ({ next_at: null }));
    this.#asking.delete(key);
    const known = this.jobs.get(name);
    if (!known) return;
    this.jobs.set(name, { ...known, job: { ...known.job, next_at } });
    this.#changed();
  }

  /** Replaces the numbers received meanwhile by the gateway's history of a source. */
  #remember(name, list) {
    const key = "source/" + name;
    if (this.#asking.has(key)) return;
    this.#asking.add(key);
    const lane = this.#lane++ % LANES;
    this.#lanes[lane] = this.#lanes[lane].then(async () => {
      try {
        const { t, v, min, max } = await api.history(name, SAMPLES);
        const newer = list.filter(([time]) => time > (t.at(-1) ?? 0));
        list.splice(0, list.length, ...t.map((time, i) => [time, v[i], min[i], max[i]]), ...newer);
        this.#changed();
      } catch {
        // The received numbers are shown, and the history is requested again next time.
      }
      this.#asking.delete(key);
    });
  }
}
