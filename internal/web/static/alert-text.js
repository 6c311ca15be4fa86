// What the page says of alerts, silences and receivers.

import * as clock from "./clock.js";
import { age, lasting, printable, timeOfDay } from "./format.js";
import { fires } from "./views.js";

// Why the alert of a job fires.
const reasons = { failed: "failed", timed_out: "timed out", lost: "lost", missed: "start missed", slow: "takes too long" };

/** What an alert is, in a few words: "critical for 5 min", of a job "warning: start missed, for 2 h". */
export function sentence(alert) {
  const since = Date.parse(alert.since);
  const lasts = Number.isNaN(since) ? "" : ` for ${lasting(clock.now() - since)}`;
  if (!fires(alert)) return (alert.state === "pending" ? "pending" : "alert unknown") + lasts;
  const severity = alert.severity ?? "firing";
  return reasons[alert.reason] ? `${severity}: ${reasons[alert.reason]},${lasts}` : severity + lasts;
}

/** Until when nobody is told of something, by whom and why: "until 14:02, by anna: new pump". */
export function silenceOf({ until, by, reason }) {
  const end = Date.parse(until);
  const who = by ? `, by ${by}` : ", by the configuration";
  return printable(`until ${timeOfDay(end, clock.now())}${who}${reason ? `: ${reason}` : ""}`);
}

/** That something is silenced, or is not any more: "Tank is silenced until 14:02", "All alerts are silenced no more". */
export function silenced(of, title, rest) {
  return `${title} ${of === "all" ? "are" : "is"} silenced ${rest}`;
}

/** Who knows of an alert, or keeps others from being told of it; "" if nobody does. */
export function handled(alert, silence) {
  const lines = [];
  if (silence) lines.push(`Silenced ${silenceOf(silence)}`);
  if (alert?.acknowledged) {
    const { at, by, reason } = alert.acknowledged;
    lines.push(printable(`Acknowledged ${age(clock.now() - Date.parse(at))}, by ${by}${reason ? `: ${reason}` : ""}`));
  }
  return lines.join("\n");
}

/** Who was told of an alert that fires, and when: "Told: ops 14:02, mail waits"; "" if nobody is to be told. */
export function toldOf(told) {
  const each = (told ?? []).map(({ to, state, at, error }) => {
    if (state === "waiting") return `${to} waits${error ? ` (${error})` : ""}`;
    if (state === "given_up") return `${to} could not be told (${error})`;
    return `${to} ${timeOfDay(Date.parse(at), clock.now())}`;
  });
  return each.length > 0 ? printable(`Told: ${each.join(", ")}`) : "";
}

/** That a receiver cannot be told, since when, and why. */
export function undelivered({ name, failing_since, error, waiting }) {
  const since = `${name}: since ${timeOfDay(Date.parse(failing_since), clock.now())}`;
  const rest = waiting > 0 ? `; ${waiting} ${waiting === 1 ? "message waits" : "messages wait"}` : "";
  return printable(`${since}${rest}${error ? `: ${error}` : ""}`);
}
