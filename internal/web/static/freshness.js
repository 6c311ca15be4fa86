// How far sources can be trusted when nothing arrives: the gateway tells that
// a value is too old, but a page that has lost it has to know by itself.

import * as clock from "./clock.js";
import { lasting } from "./format.js";

const GRACE = 5_000; // ms that the gateway's own word may take, and clocks may differ

/** Returns a source as it is now: one whose value is too old is stale, whatever was heard of it last. */
export function judged(source) {
  const late = clock.now() - Date.parse(source.stale_at);
  if (source.state !== "ok" || !(late > GRACE)) return source;
  const silence = lasting(clock.now() - Date.parse(source.updated_at));
  return { ...source, state: "stale", error: `nothing newer has reached this page for ${silence}` };
}

/** The views in which a source is shown: its state, and that it sounds an alert, which is not ok whatever else is. */
export function views({ state, alert }) {
  if (alert?.state !== "firing") return [state];
  return state === "ok" ? ["alert"] : [state, "alert"];
}
