// The server's clock, as far as this page knows it: ages must not depend on
// this machine's.
//
// An answer carries the time, in whole seconds, at which the server wrote it.
// That was between the request and the answer, however long these are apart:
// so each narrows down by how much the clocks differ, and latency is never
// taken for a difference.

let least = -Infinity, most = Infinity; // of the server's clock minus this one, in ms
let skew = 0;
let offset = Date.now() - performance.now();

/** Returns the server's time, in ms since the epoch. */
export function now() {
  return Date.now() + skew;
}

/** Takes the Date of an answer to a request that was `sent` and whose answer began to be `had` then, by this clock. */
export function learn(date, sent, had) {
  const begin = Date.parse(date);
  if (Number.isNaN(begin)) return;
  const low = begin - had, high = begin + 1000 - sent;
  const differs = low > most || high < least; // one of the clocks was set
  least = differs ? low : Math.max(least, low);
  most = differs ? high : Math.min(most, high);
  skew = Math.max(least, Math.min(most, 0)); // as little as is certain
}

/** Reports, once, that this machine's clock was set, or slept: what was learnt is void then. */
export function wasSet() {
  const before = offset;
  offset = Date.now() - performance.now();
  if (Math.abs(offset - before) < 2000) return false;
  [least, most] = [-Infinity, Infinity];
  return true;
}
