// What a component says: plain objects, computed from the JSON of the API. Package view computes the same in Go, and a test
// compares them.

import { began, cause, jobCause, judge, judgeJob, judgeRun, next, polled } from "./judge.js";
import { age, clock, elapsed, lasted, length, number, plural, sentence, shown, until } from "./words.js";

/** A name as one segment of an address, whatever is in it. */
const segment = (name) => encodeURIComponent(name).replaceAll("%40", "@");

/** The address of the page of a source, below the root of the gateway. */
export const sourceHref = (name) => `sources/${segment(name)}`;

/** The address of the page of a job, below the root of the gateway. */
export const jobHref = (name) => `jobs/${segment(name)}`;

/** All that a card, a row or a tile says of a source. */
export function card(source, now) {
  const { name, show = {}, state, value } = source, badge = judge(source), since = began(source);
  const view = {
    key: source.key, name, href: sourceHref(name), title: shown(source.title ?? "", 120) || name, section: source.section ?? "", ...badge,
    value: "", unit: "", exact: "", text: "", fields: [], table: null, note: "",
    dim: state === "stale", age: age(Date.parse(source.updated_at), now), next: next(source, now), since: since ? elapsed(since, now) : "", at: since,
  };
  if (value === null || value === undefined) {
    view.text = state === "failing" ? sentence(shown(source.cause ?? "", 200)) : state === "pending" ? `Waiting for the first ${polled(source) ? "answer" : "value"}` : "";
    if (!view.text) view.value = "–";
  } else if (Array.isArray(value)) list(view, value, now);
  else if (typeof value === "object") object(view, value, show, now);
  else headline(view, value, show, now);
  const size = length(view.value);
  view.long = size > 18 ? "longest" : size > 11 ? "longer" : size > 8 ? "long" : "";
  view.wide = view.fields.some((f) => length(f.value) > 11);
  view.line = cause(source, now);
  view.bad = view.line !== "";
  if (!view.bad && view.value) view.line = inLine(view.fields);
  view.brief = summed(view);
  view.broad = length(view.brief) > 14;
  [view.short, view.of] = !view.value || (view.state !== "ok" && view.long) ? [view.word, ""] : [view.value, view.unit];
  return view;
}

/** Fields in a line, which breaks only between two of them: so a number is there as a whole, or not at all. */
function inLine(fields) {
  return fields.map((f) => `${f.name} ${f.value}`.replaceAll(" ", "\u00a0")).join(" ·\u00a0");
}

/** The value of a source in a line. */
function summed({ table, text, bad, value, fields }) {
  if (table) return plural(table.rows.length, "row", "rows");
  if (text) return bad ? "–" : text;
  if (value) return value;
  const two = inLine(fields.slice(0, 2));
  return length(two) <= 30 ? two : inLine(fields.slice(0, 1));
}

function object(view, value, show, now) {
  const names = Object.keys(value), head = show.value && Object.hasOwn(value, show.value) ? show.value : null;
  if (head !== null) headline(view, value[head], show, now);
  const rest = names.filter((name) => name !== show.value || !view.value);
  view.fields = rest.slice(0, 4).map((name) => ({ name: shown(name.replaceAll("_", " "), 40), value: brief(value[name], now) }));
  if (rest.length > 4) view.note = plural(rest.length - 4, "more field", "more fields");
}

/** One value large, if it is short enough. */
function headline(view, value, { unit = "", decimals }, now) {
  if (typeof value === "number" || typeof value === "bigint") {
    view.value = number(value, decimals, true);
    view.number = Number(value);
    view.unit = shown(unit, 24);
    const exact = number(value, decimals, false);
    if (exact !== view.value) view.exact = shown(exact, 60);
  } else if (typeof value === "string") {
    const text = shown(value, 200).trim();
    if (length(text) > 14) view.text = text;
    else if (text) view.value = text;
    else view.text = "A text without visible characters";
  } else {
    view.value = brief(value, now);
    view.unit = shown(unit, 24);
  }
}

/** A list as a table of its objects, or as a line of its words. */
function list(view, value, now) {
  if (value.length === 0) {
    [view.value, view.unit] = ["0", "entries"];
    return;
  }
  if (!isObject(value[0])) {
    view.text = value.slice(0, 12).map((one) => brief(one, now)).join(", ");
    return;
  }
  const names = Object.keys(value[0]), rows = value.slice(0, 3), head = names.slice(0, columns(rows, names.slice(0, 3)));
  view.table = { head, rows: rows.map((one) => head.map((name) => brief(isObject(one) ? one[name] : null, now))) };
  const more = [];
  if (value.length > 3) more.push(plural(value.length - 3, "more row", "more rows"));
  if (names.length > head.length) more.push(plural(names.length - head.length, "more column", "more columns"));
  view.note = more.join(", ");
}

/** How many columns have room, so that no number is cut. */
function columns(rows, head) {
  const numbers = rows.flatMap((one) => head.map((name) => (isObject(one) ? one[name] : null))).filter((v) => typeof v === "number" || typeof v === "bigint");
  const longest = Math.max(0, ...numbers.map((v) => number(v, undefined, true).length));
  return longest > 17 ? 1 : longest > 11 ? 2 : 3;
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)$/;

/** A value in a few characters. */
function brief(value, now) {
  switch (typeof value) {
    case "boolean": return value ? "yes" : "no";
    case "number": case "bigint": return number(value, undefined, true);
    case "string": {
      const at = time.test(value) ? Date.parse(value.replace(",", ".")) : NaN;
      return Number.isNaN(at) ? shown(value, 60) : clock(at, now);
    }
  }
  if (value === null || value === undefined) return "–";
  return Array.isArray(value) ? plural(value.length, "entry", "entries") : plural(Object.keys(value).length, "field", "fields");
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const MOST = 8; // rows of what needs attention before "more"
const QUIET = 4; // of what is known that are named; more are counted
const FEW = 100; // sources; if there are more, sections begin closed
const DEEPEST = 6; // level of headings

/**
 * Whether all is well, and if not, what is not, since when, and why: of `sources`, and of `jobs`, which have their newest run
 * as last_run. `operate`: whoever looks may do what is about no job.
 */
export function verdict(sources, jobs, { now, operate }) {
  const counts = new Map(), rows = [], quiet = [];
  let ok = 0, failed = 0, seen = 0;
  const count = (badge) => counts.set(badge, (counts.get(badge) ?? 0) + 1);
  for (const source of sources) {
    const badge = judge(source);
    if (badge.state === "ok") ok++;
    else if (badge.needs) {
      rows.push({ at: began(source), seen: isSeen(source), view: () => need(source, now, operate) });
      if (isSeen(source)) seen++;
      else count(badge);
    } else if (badge.state !== "waiting") quiet.push({ badge, view: () => need(source, now, operate) });
  }
  for (const job of jobs) {
    const badge = judgeJob(job);
    if (badge.state === "silenced") quiet.push({ badge, view: () => needOfJob(job, now) });
    if (!badge.needs) continue;
    rows.push({ at: jobBegan(job, badge), seen: isSeen(job), view: () => needOfJob(job, now) });
    if (isSeen(job)) seen++;
    else if (badge.state === "alert") count(badge);
    else failed++;
  }
  const parts = partsOf(counts, failed, seen);
  rows.sort((a, b) => a.seen - b.seen || b.at - a.at); // newest first; what somebody has acknowledged comes last
  const few = rows.length > MOST + 2 ? rows.slice(0, MOST) : rows;
  const all = `${plural(sources.length, "source", "sources")} ok`, works = plural(jobs.length, "job", "jobs");
  let rest = parts.length ? `${ok} of ${all}` : `${ok < sources.length ? `${ok} of ` : ""}${all}${jobs.length > 0 ? `, ${works}, none failed` : ""}`;
  if (sources.length === 0 && jobs.length > 0) rest = parts.length ? `of ${works}` : `${works}, none failed`;
  return {
    state: parts[0]?.state ?? "ok", parts, calm: parts.length ? "" : "All is well", rest,
    rows: few.map(({ view }) => view()), more: rows.length - few.length, total: rows.length,
    quiet: quiet.length > QUIET ? [] : quiet.map(({ view }) => view()),
    known: quiet.length > QUIET ? tally(quiet) : [],
  };
}

const isSeen = ({ alert }) => Boolean(alert?.acknowledged?.by);

/** What is wrong in words, worst first. What somebody has acknowledged is not counted beside anything else. */
function partsOf(counts, failed, seen) {
  const parts = [...counts].map(([badge, n]) => countOf(badge, n, n > 1 ? badge.word.replace(/^alert/, "alerts") : badge.word));
  if (failed > 0) parts.push(countOf(judgeRun({ status: "failed" }), failed, failed === 1 ? "job failed" : "jobs failed", "failed"));
  if (parts.length === 0 && seen > 0) {
    parts.push(countOf(judge({ alert: { state: "firing", acknowledged: {} } }), seen));
  }
  return parts.sort((a, b) => a.rank - b.rank || (a.text < b.text ? -1 : 1));
}

/** How many there are in each state, in the order in which the states come. */
function tally(quiet) {
  const counts = new Map();
  for (const { badge } of quiet) {
    const entry = counts.get(badge);
    if (entry) entry.n++;
    else counts.set(badge, countOf(badge, 1));
  }
  return [...counts.values()];
}

/** How many of a state there are; those of jobs are shown by the page of jobs. */
function countOf(badge, n, text = badge.word, filter = badge.state) {
  return { ...badge, n, text, filter, href: filter === "failed" ? "jobs?show=failed" : `?state=${filter}` };
}

const noAct = { act: "", do: "", method: "", field: "", with: "", blocked: "" };
const silence = (key) => ({ ...noAct, act: "Silence", do: "alerts/silence", method: "get", field: "of", with: key });

/** A source that needs attention, or is known to. */
function need(source, now, operate) {
  const view = card(source, now), { name, state } = source, poll = !source.told && (state === "failing" || state === "stale");
  return {
    key: view.key, state: view.state, word: view.word, href: view.href, title: view.title, section: view.section,
    value: view.value === "–" ? "" : view.value, unit: view.unit, cause: cause(source, now), since: view.since, ...attended(view.state, view.at, source.alert, now),
    ...(!operate ? noAct : poll ? { ...noAct, act: "Poll now", do: `${sourceHref(name)}/refresh`, method: "post" } : silence(view.key)),
  };
}

/** A job that needs attention, or is known to. */
function needOfJob(job, now) {
  const view = jobRow(job, now), { state, word } = view, at = jobBegan(job, judgeJob(job));
  return {
    key: view.key, state, word, href: view.href, title: view.title, section: view.section, value: "", unit: "",
    cause: jobCause(job), since: at ? elapsed(at, now) : "", ...attended(state, at, job.alert, now), ...again(job, view.key, now),
  };
}

function again(job, key, now) {
  const { name, allowed, last_run: run, confirm, args } = job;
  if (!allowed) return noAct;
  if (!run || !judgeRun(run).needs) return silence(key);
  const asks = confirm || Object.values(args ?? {}).some((arg) => arg.secret); // what is secret is not kept
  return { ...noAct, act: "Run again", do: `${jobHref(name)}/run`, method: asks ? "get" : "post", field: "like", with: run.id, blocked: start(job, now).blocked };
}

/** When the state that a job shows began, in ms; 0 if that is not known. */
function jobBegan({ last_run: run, alert }, { rank }) {
  return Date.parse(rank === judgeRun({ status: "failed" }).rank ? run.finished_at : alert.since) || 0;
}

/** A user as people are told of: one who has not signed in is somebody. */
const somebody = (name) => name === "anonymous" ? "somebody" : name;

/** Since when, who has acknowledged an alert, and, instead of its cause, until when it is silenced. */
function attended(state, at, alert, now) {
  const is = { clock: at ? clock(at, now) : "", by: somebody(alert?.acknowledged?.by ?? "") };
  if (state !== "silenced") return is;
  const { until, reason } = alert.silenced;
  return { ...is, cause: `until ${clock(Date.parse(until), now)}${reason ? `: ${reason}` : ""}` };
}

/** The sections that sources name, as a tree in the order of the file: each with its own sources, and with what is below. */
export function sections(sources) {
  const root = { parts: new Map() };
  for (const source of sources) {
    let at = root;
    for (const [i, name] of (source.section ?? "").split("/").entries()) {
      let part = at.parts.get(name);
      if (!part) at.parts.set(name, part = { name, path: at.path ? `${at.path}/${name}` : name, depth: Math.min(i + 2, DEEPEST), sources: [], parts: new Map() });
      at = part;
    }
    at.sources.push(source);
  }
  return [...root.parts.values()].map((part) => roll(part, sources.length > FEW).view);
}

/** Counts the states below a section. With `close` it begins closed if it has sources and nothing below it. */
function roll({ name, path, depth, sources, parts }, close) {
  const counts = new Map(), add = (badge, n) => counts.set(badge, (counts.get(badge) ?? 0) + n);
  for (const source of sources) add(judge(source), 1);
  const below = [...parts.values()].map((part) => roll(part, close));
  for (const part of below) for (const [badge, n] of part.counts) add(badge, n);
  let total = 0, ok = 0;
  for (const [badge, n] of counts) {
    total += n;
    if (badge.state === "ok") ok += n;
  }
  const bad = [...counts].filter(([badge]) => badge.state !== "ok").map(([badge, n]) => countOf(badge, n));
  bad.sort((a, b) => a.rank - b.rank || (a.word < b.word ? -1 : 1));
  const state = bad[0]?.needs ? bad[0].state : "ok";
  const view = { name, path, depth, state, ok, total, counts: bad, sources, parts: below.map((part) => part.view), open: !close || sources.length === 0 || below.length > 0 || name === "" };
  return { view, counts };
}

/** All that a row says of a job, which has its newest run as last_run. */
export function jobRow(job, now) {
  const { name, last_run: run } = job, why = jobCause(job);
  const view = {
    key: `job/${name}`, name, href: jobHref(name), title: shown(job.title ?? "", 120) || name, section: job.section ?? "", ...judgeJob(job),
    line: why, bad: why !== "", when: "", busy: false, percent: null, elapsed: "",
    next: job.next_at ? `next ${clock(Date.parse(job.next_at), now)}` : "", summary: summary(job), ...start(job, now),
  };
  if (!run) return view;
  if (!view.bad) view.line = shown(run.message, 200);
  if (run.status === "running" || run.status === "cancelling") {
    [view.busy, view.percent] = [true, run.percent];
    if (run.message && job.alert?.reason !== "slow") [view.line, view.bad] = [shown(run.message, 200), false]; // the alert is about an earlier run
    Object.assign(view, cancel(job, run));
    if (run.started_at) view.elapsed = elapsed(Date.parse(run.started_at), now);
    if (job.besides > 0) view.elapsed += `, and ${plural(job.besides, "other", "others")}`;
    if (typeof run.eta === "number") view.elapsed += `, about ${lasted(run.eta * 1000)} left`;
  } else if (run.status === "queued") {
    Object.assign(view, cancel(job, run));
    if (run.position > 0) view.line = `Waits for the end of ${plural(run.position, "run", "runs")}`;
  } else if (run.finished_at) {
    const end = Date.parse(run.finished_at);
    view.when = clock(end, now) + (run.started_at ? `, took ${lasted(end - Date.parse(run.started_at))}` : "");
  }
  return view;
}

/** The button that ends a run. */
function cancel({ allowed }, run) {
  return allowed ? { ...noAct, act: "Cancel", do: `runs/${run.id}/cancel`, method: "post" } : noAct;
}

/** The button that starts a run. */
function start({ name, allowed, args, confirm, available_at: at }, now) {
  if (!allowed) return noAct;
  const act = { ...noAct, act: "Run", do: `${jobHref(name)}/run`, method: Object.keys(args ?? {}).length > 0 || confirm ? "get" : "post" };
  if (!(Date.parse(at) > now)) return act;
  const wait = until(Date.parse(at), now);
  return { ...act, act: `in ${wait}`, blocked: `its limit allows a start in ${wait}` };
}

/** How the newest runs of a job ended. */
function summary({ strip = [] }) {
  const bad = strip.filter((run) => judgeRun(run).needs).length, all = `Last ${plural(strip.length, "run", "runs")}`;
  if (strip.length === 0) return "No run has ended yet";
  const warned = strip.filter((run) => run.warned && !judgeRun(run).needs).length, also = warned > 0 ? `, ${warned} warned` : "";
  return bad === 0 ? `${all}: none failed${also}` : `${all}: ${bad} failed${also}`;
}
