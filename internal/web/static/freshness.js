// The staleness of sources when nothing arrives: the gateway reports values that are too old, but a page without a
// connection has to determine it by itself.

import * as clock from "./clock.js";
import { lasting } from "./format.js";

const GRACE = 5_000; // ms allowed for the gateway's own report, and for differing clocks

/** Returns the current state of a source: one whose value is too old is stale, whatever was last received. */
export function judged(source) {
  const late = clock.now() - Date.parse(source.stale_at);
  if (source.state !== "ok" || !(late > GRACE)) return source;
  const silence = lasting(clock.now() - Date.parse(source.updated_at));
  return { ...source, state: "stale", error: `nothing newer has reached this page for ${silence}` };
}
