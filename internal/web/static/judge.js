// What is said of a source and of a job in one word. Package view has the same in Go, and a test compares them.

import { lasted, sentence, shown, soon, spoken, unclear } from "./words.js";

// word, rank (smaller is worse), and whether it needs attention, by state.
const badge = (state, word, rank, needs = false) => Object.freeze({ state, word, rank, needs });

const states = {
  alert: badge("alert", "alert", 0, true),
  failing: badge("failing", "failing", 1, true),
  stale: badge("stale", "stale", 3, true),
  unknown: badge("unknown", "alert unknown", 4, true),
  acknowledged: badge("acknowledged", "acknowledged", 5, true),
  pending: badge("pending", "alert soon", 6),
  silenced: badge("silenced", "silenced", 7),
  waiting: badge("waiting", "first poll", 9),
  unsent: badge("waiting", "first value", 9), // nobody polls it
  ok: badge("ok", "ok", 10),
};

const runs = {
  running: badge("running", "running", 9),
  cancelling: badge("running", "cancelling", 9),
  queued: badge("queued", "queued", 9),
  succeeded: badge("ok", "succeeded", 10),
  warned: badge("warned", "warned", 8),
  failed: badge("failing", "failed", 2, true),
  timed_out: badge("timed_out", "timed out", 2, true),
  lost: badge("lost", "lost", 2, true),
  cancelled: badge("cancelled", "cancelled", 9),
  idle: badge("idle", "never ran", 9),
};

/** What a source shows. An alert outranks how the source is; a silence takes it back. */
export function judge(source) {
  const { state, alert } = source;
  const fires = alert?.state === "firing";
  if (fires && !alert.silenced && !alert.acknowledged) return states.alert;
  if (state === "failing" || state === "stale") return states[state];
  if (alert?.state === "unknown") return states.unknown;
  if (fires) return alert.silenced ? states.silenced : states.acknowledged;
  if (alert?.state === "pending") return states.pending;
  if (state !== "pending") return states.ok;
  return polled(source) ? states.waiting : states.unsent;
}

/** What a run shows. */
export function judgeRun({ status, warned }) {
  return warned ? runs.warned : (runs[status] ?? runs.idle);
}

/** What a job shows: how its newest run, last_run, is, unless its alert is about something else. */
export function judgeJob({ last_run: run, alert }) {
  const badge = run ? judgeRun(run) : runs.idle;
  if (alert?.state !== "firing" || badge.needs) return badge;
  if (alert.silenced) return states.silenced;
  return alert.acknowledged ? states.acknowledged : states.alert;
}

/** Why a source is in the state that it shows. */
export function cause(source, now) {
  const { alert } = source;
  switch (judge(source).state) {
    case "alert": case "acknowledged": case "silenced":
      return alert.if ? spoken(alert.if) : sentence(source.cause);
    case "pending": {
      const left = alert.since && alert.for ? lasts(alert.for) - (now - Date.parse(alert.since)) : null;
      const soon = left === null ? "alerts soon" : `alerts in ${lasted(left)}`;
      return alert.if ? `${spoken(alert.if)}, ${soon}` : sentence(soon);
    }
    case "unknown":
      return alert.error ? `Cannot be judged: ${unclear(alert.error)}` : "Cannot be judged";
  }
  return sentence(source.cause);
}

const reasons = {
  missed: "A run of its timetable did not begin", slow: "Takes longer than it should",
  failed: "A run has failed", timed_out: "A run has timed out", lost: "A run was lost", warned: "A run has warned",
};

/** Why a job is in the state that it shows. */
export function jobCause(job) {
  const { alert, last_run: run } = job;
  if (["alert", "acknowledged", "silenced"].includes(judgeJob(job).state)) {
    if (reasons[alert.reason]) return reasons[alert.reason];
    if (alert.error) return sentence(unclear(alert.error));
  }
  return run ? why(run) : "";
}

/**
 * Why a run did not succeed, with the last that it said if it failed: an exit status alone tells people nothing. An error may say no more
 * than the status does.
 */
function why({ status, error: all, output, message }) {
  const error = all && all !== status ? all : "";
  const said = shown((output ?? "").trim().split("\n").at(-1).trim() || message || "", 200);
  return status !== "failed" || !error || !said || error.includes(said) ? sentence(error) : `${sentence(error)}: ${said}`;
}

const units = { h: 3_600_000, min: 60_000, m: 60_000, s: 1000, ms: 1 };

/** A duration as configurations have it ("1 min", "1h30m") in ms. */
function lasts(text) {
  let ms = 0;
  for (const [, n, unit] of (text ?? "").matchAll(/([\d.]+) *(h|min|ms|m|s)/g)) ms += n * units[unit];
  return ms;
}

/** When the state that a source shows began, in ms; 0 if that is not known. */
export function began(source) {
  const { rank } = judge(source), ofAlert = source.alert && rank !== states.failing.rank && rank !== states.stale.rank;
  return Date.parse(ofAlert ? source.alert.since : source.since) || 0;
}

/** Whether a source is asked for its values; otherwise they come to it. */
export const polled = ({ every, next_at: at, pace }) => Boolean(every || at || pace);

/** When a source is asked again, and why then. */
export function next({ inputs, next_at: at, pace, every, state, waiting }, now) {
  if (inputs?.length) return "computed";
  if (!at && pace === "unwatched") return "nobody watches";
  if (!at) return every ? "" : "told";
  if (state === "pending") return "polling";
  const word = waiting === "rate limit" ? "rate limit, again" : waiting === "backoff" ? "again" : "next";
  return `${word} ${soon(Date.parse(at), now)}`;
}
