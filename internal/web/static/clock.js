// An estimate of the server's clock: ages must not depend on the clock of this machine.
//
// An answer has the time, in whole seconds, at which the server wrote it. That was between the request and the answer,
// however far apart these are: so each answer narrows down the difference between the clocks, and latency is never
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
  skew = Math.max(least, Math.min(most, 0)); // the smallest certain difference
}

/** Reports, once, that this machine's clock was set, or that it slept: the estimate is void then. */
export function wasSet() {
  const before = offset;
  offset = Date.now() - performance.now();
  if (Math.abs(offset - before) < 2000) return false;
  [least, most] = [-Infinity, Infinity];
  return true;
}
