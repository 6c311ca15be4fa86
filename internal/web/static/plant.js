// The data of the page: the newest snapshot of each source and job, by name, in the order of the configuration. Snapshots
// replace each other; nothing queues up.

import * as api from "./api.js";
import * as clock from "./clock.js";

const RETRY = 3_000; // ms after which failed lists are asked for again
const SPREAD = 2_000; // ms over which pages spread their requests when jobs have moved to other replicas
const TRENDS = 60_000, EACH = 100; // ms between two requests for trends, at least, and for each source
const STRIP = 20; // runs of a job that are kept

const terminal = new Set(["succeeded", "failed", "cancelled", "timed_out", "lost"]);

/** Reports whether a run has reached its end. */
export function ended(run) {
  return terminal.has(run.status);
}

/**
 * A run that went on when it was last heard of, and of which the gateway knows nothing: it is another process now, and runs are in
 * the memory of one. When it ended is not known, so it is when that is noticed.
 */
function lost(run) {
  return { ...run, status: "lost", error: "the gateway restarted; it is unknown how the run ended", finished_at: new Date(clock.now()).toISOString() };
}

export class Plant {
  /** Sources, and jobs with their newest run as last_run, by name. */
  sources = new Map();
  jobs = new Map();
  /** What sources were like over 24 h: {trend, day} by name. */
  trends = new Map();
  /** Whether the lists have arrived: before that, the order is unknown. */
  loaded = false;
  /** The configuration according to the stream; null before it was heard of. */
  config = null;

  #on;
  #heard = new Map(); // what the stream has sent since the last list was asked for, by key
  #asking = new Set(); // names of jobs whose next start was asked for
  #starts = null; // which replicas are there, as text
  #soon = 0; // the timer of the next reload
  #attending = 0; // the timer of the next request for the alerts of jobs
  #trendsAt = -Infinity;

  /**
   * `on` has what is called after changes: source(name) and job(name) with a newer snapshot of one, listed() when there may be others,
   * trends(), configured() when the configuration's state has changed, reconfigured() when it is another one, alerts() when those have
   * changed, and said(sentence) for people.
   */
  constructor(on) {
    this.#on = on;
  }

  /** Takes a snapshot from the stream. */
  apply(snapshot) {
    const { key } = snapshot;
    if (key.startsWith("source/")) this.#source(snapshot);
    else if (key.startsWith("job/")) this.#run(snapshot);
    else if (key === "config") this.#configure(snapshot);
    else if (key === "alerts") this.#attend();
    else if (key === "replicas") this.#replicate(snapshot.replicas);
  }

  /** Asks which sources and jobs there are, and in what order. What the stream has sent meanwhile is newer and stays. */
  async reload() {
    const heard = this.#heard = new Map();
    try {
      const [sources, jobs] = await Promise.all([api.sources(), api.jobs()]);
      if (heard !== this.#heard) return; // a later reload is newer
      this.sources = new Map(sources.map((source) => [source.name, heard.get(source.key) ?? source]));
      this.jobs = new Map(jobs.map((job) => [job.name, this.#known(job, heard.get(`job/${job.name}`))]));
      this.loaded = true;
      this.#on.listed();
    } catch ({ status }) {
      if (status === 401) return; // signing in starts over
      setTimeout(() => heard === this.#heard && this.reload(), RETRY);
    }
  }

  /** Asks for the trends of sources, unless that was done a short while ago. */
  async remember(now) {
    const pause = Math.max(TRENDS, EACH * this.sources.size);
    if (now - this.#trendsAt < pause) return;
    this.#trendsAt = now;
    try {
      const { trends } = await api.trends();
      this.trends = new Map(trends.map((trend) => [trend.name, trend]));
      this.#on.trends();
    } catch {
      this.#trendsAt = now - pause + 10 * RETRY;
    }
  }

  #source(source) {
    const { name } = source, before = this.sources.get(name);
    this.#heard.set(source.key, source);
    if (!this.loaded) return;
    if (source.state === "removed") {
      if (!this.sources.delete(name)) return;
      this.#on.said(`${before.title || name} was removed`);
      return this.#on.listed();
    }
    if (!before) return this.#reloadSoon(0); // where it belongs, the list says
    this.sources.set(name, source);
    this.#on.source(name);
  }

  #run(snapshot) {
    this.#heard.set(snapshot.key, snapshot);
    const job = this.jobs.get(snapshot.job);
    if (!job) return;
    this.jobs.set(job.name, began(job, snapshot));
    if (Date.parse(job.next_at) <= clock.now()) this.#schedule(job.name);
    if (job.beside?.some(({ id }) => id !== snapshot.id && !snapshot.beside?.some((other) => other.id === id))) {
      setTimeout(() => this.#schedule(job.name), 500); // one has ended that the stream does not have
    }
    this.#on.job(job.name, job.last_run);
  }

  /** A job as listed, with what is known beyond that: a newer run, or that the gateway has forgotten one. */
  #known(job, heard) {
    if (heard) return began(job, heard);
    const run = this.jobs.get(job.name)?.last_run;
    if (job.last_run || !run || (ended(run) && run.status !== "lost")) return job;
    if (run.status === "lost") return { ...job, last_run: run };
    this.#on.said(`${job.title || job.name} lost: the gateway restarted`);
    return began(job, { ...lost(run), queue: job.queue, queued: job.queued, available_at: job.available_at });
  }

  #configure(config) {
    const version = this.config?.version ?? config.version;
    this.config = config;
    this.#on.configured();
    if (config.version === version) return;
    this.#trendsAt = -Infinity; // there may be other sources
    this.#on.reconfigured();
  }

  /** Jobs say which replica starts their runs, so they are listed again when these have changed. */
  #replicate(replicas) {
    const starts = replicas.map(({ id, jobs }) => `${id} ${jobs}`).join();
    if (this.#starts !== null && starts !== this.#starts) this.#reloadSoon(SPREAD * Math.random());
    this.#starts = starts;
  }

  /** Asks for the alerts of jobs, which are in no snapshot of them. Those of sources are. */
  #attend() {
    this.#on.alerts();
    this.#attending ||= setTimeout(async () => {
      this.#attending = 0;
      for (const { name, alert } of this.jobs.size ? await api.jobs().catch(() => []) : []) {
        const job = this.jobs.get(name);
        if (!job || JSON.stringify(job.alert) === JSON.stringify(alert)) continue;
        this.jobs.set(name, { ...job, alert });
        this.#on.job(name, job.last_run);
      }
    }, 300);
  }

  #reloadSoon(ms) {
    this.#soon ||= setTimeout(() => {
      this.#soon = 0;
      this.reload();
    }, 300 + ms);
  }

  /** Asks for the next start of a job, after the known one has passed. */
  async #schedule(name) {
    if (this.#asking.has(name)) return;
    this.#asking.add(name);
    const { next_at, strip } = await api.job(name).catch(() => ({}));
    this.#asking.delete(name);
    const job = this.jobs.get(name);
    if (!job || next_at === undefined) return;
    this.jobs.set(name, { ...job, next_at, strip: strip ?? job.strip });
    this.#on.job(name, job.last_run);
  }
}

/** A job with a snapshot of the stream: a run, the queue behind it, and when its limit lets it start again. */
function began(job, { queue, queued, available_at, beside, besides, ...run }) {
  const before = job.last_run, strip = job.strip ?? [];
  const is = { ...job, queue, queued, available_at, beside, besides, last_run: run };
  if (ended(run) && !strip.some(({ id }) => id === run.id)) {
    const begun = run.started_at ?? run.created_at;
    const outcome = { id: run.id, status: run.status, warned: run.warned, started_at: begun, took: (Date.parse(run.finished_at) - Date.parse(begun)) / 1000 };
    if (before?.id === run.id || strip.length < STRIP) is.strip = [...strip, outcome].slice(-STRIP);
  }
  return is;
}
