// Numbers, durations and times in the words of the page. Package view has the same in Go, and a test compares them.
//
// Times are ms since the epoch, durations ms. Times of day are in the reader's zone.

const second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;

/** How long something lasts, at a glance: "12 s", "4 min", "5 h 12 min", "9 days". */
export function lasted(ms) {
  ms = Math.max(ms, 0);
  const n = (unit) => Math.floor(ms / unit);
  if (ms < second && ms > 0) return `${Math.max(1, Math.floor(ms))} ms`;
  if (ms < 90 * second) return `${n(second)} s`;
  if (ms < hour) return `${n(minute)} min`;
  if (ms < 10 * hour && n(minute) % 60 !== 0) return `${n(hour)} h ${n(minute) % 60} min`;
  return ms < 48 * hour ? `${n(hour)} h` : `${n(day)} days`;
}

/** How long ago a time was, a second at least. */
export function elapsed(at, now) {
  return lasted(Math.max(now - at, second));
}

/** How long it is to a time, in whole seconds. */
export function until(at, now) {
  return lasted(Math.ceil((at - now) / second) * second);
}

/** When what is due at a time comes: "in 4 s". */
export function soon(at, now) {
  return at > now ? `in ${until(at, now)}` : "any moment";
}

/** How long work took: "41 s", "5 min 21 s". */
export function took(ms) {
  if (ms < second) return `${Math.floor(ms)} ms`;
  if (ms < minute) return `${Math.floor(ms / second)} s`;
  const s = Math.floor(ms / second) % 60;
  return ms < hour && s !== 0 ? `${Math.floor(ms / minute)} min ${s} s` : lasted(ms);
}

/** How long ago a value was got. */
export function age(at, now) {
  if (Number.isNaN(at)) return "no value yet";
  return now - at < 3 * second ? "just now" : `${lasted(now - at)} ago`;
}

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n) => String(n).padStart(2, "0");

/** A time of day, with its date unless it is today. */
export function clock(at, now) {
  const date = new Date(at), time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const between = Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / day);
  if (between === 0) return time;
  if (between === -1) return `yesterday ${time}`;
  if (between === 1) return `tomorrow ${time}`;
  if (between > -7 && between < 7) return `${days[date.getDay()]} ${time}`;
  return `${date.getDate()} ${months[date.getMonth()]} ${time}`;
}

/** A time of day to the second. */
export function seconds(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

/**
 * A number (or a bigint) with its digits in groups, and `decimals` of them behind the point. Compact, a whole one has
 * all digits of 64 bits, another one is rounded if there are no `decimals`, and what is larger, or very small, gets a power of ten.
 */
export function number(value, decimals, compact) {
  const whole = typeof value === "bigint" || (Number.isInteger(value) && Math.abs(value) < 1e21);
  if (whole && (!decimals || String(value).length > 15)) {
    const digits = grouped(String(value));
    if (!compact || digits.length < 28) return digits;
  }
  const x = Number(value), size = Math.abs(x);
  if (compact && (size >= 1e15 || (x !== 0 && size < 1e-4))) return scientific(value);
  const text = decimals !== undefined ? fixed(x, decimals) : compact ? rounded(x) : plain(x);
  const [digits, rest] = text.replace(/^-(?=[0.]+$)/, "").split("."); // a little less than nothing is nothing
  return grouped(digits) + (rest ? `.${rest}` : "");
}

/** x with five digits that count and never fewer than two behind the point: 61.363 for 61.36278649734441, 1234.57 for 1234.5678. */
function rounded(x) {
  const text = plain(x), [whole, rest = ""] = text.replace("-", "").split(".");
  const places = whole === "0" ? 5 + /^0*/.exec(rest)[0].length : Math.max(2, 5 - whole.length);
  return rest.length <= places ? text : fixed(x, places).replace(/\.?0+$/, "");
}

/** The mantissa with two decimals, and the power of ten. A bigint may be larger than any number. */
function scientific(value) {
  let x = Number(value), more = 0;
  if (!Number.isFinite(x)) {
    const [, first, rest] = /^(-?\d)(\d+)$/.exec(value);
    [x, more] = [Number(`${first}.${rest.slice(0, 16)}`), rest.length];
  }
  const [mantissa, power] = x.toExponential(2).split("e");
  return `${mantissa}×10${String(Number(power) + more).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]))}`;
}

/** The shortest digits that mean x, without an exponent. */
function plain(x) {
  const text = String(x);
  if (!text.includes("e")) return text;
  const [, sign, first, rest = "", power] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  const digits = first + rest, n = Number(power);
  if (n < 0) return `${sign}0.${"0".repeat(-n - 1)}${digits}`;
  return sign + digits.padEnd(n + 1, "0");
}

/** x with n digits behind the point. What is exactly between two becomes even, as in Go. */
function fixed(x, n) {
  if (Math.abs(x) >= 1e21) return String(BigInt(x)) + (n > 0 ? `.${"0".repeat(n)}` : "");
  const text = x.toFixed(n), twice = Math.abs(x) * 10 ** n * 2;
  if ((twice < 2 ** 53 && twice % 2 !== 1) || !/^50*$/.test(x.toFixed(Math.min(100, n + 40)).slice(-40))) return text;
  const last = Number(text.at(-1));
  return last % 2 === 0 ? text : text.slice(0, -1) + (last - 1); // toFixed has gone away from zero
}

function grouped(digits) {
  const sign = digits.startsWith("-") ? "−" : "";
  if (sign) digits = digits.slice(1);
  return sign + (digits.length > 4 ? digits.replace(/\B(?=(\d{3})+$)/g, ",") : digits);
}

const unseen = /[\p{Cf}\p{Cc}]/u;

/** Text without what steers terminals and the direction of text, cut to n characters. */
export function shown(text, n) {
  if (text.length <= n && !unseen.test(text)) return text;
  let count = 0, kept = "";
  for (const c of text) {
    if (c !== "\n" && unseen.test(c)) continue;
    if (++count > n) return `${kept}…`;
    kept += c;
  }
  return kept;
}

/** A count of things. */
export function plural(n, one, many) {
  return n === 1 ? `1 ${one}` : `${n} ${many}`;
}

/** Text that begins with a capital. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

/** A condition as people read it: its fields without their points, and the value by that name. */
export function spoken(condition) {
  return condition.replace(/(^|[\s(|,])\.($|[\s()|,[<>=!+*/%-])/g, "$1value$2").replace(/(^|[^\p{L}\p{N}_)\]"?.])\.([\p{L}_])/gu, "$1$2");
}

/** Why an alert cannot be judged, without the names of what has judged it. */
export function unclear(text) {
  return text.replace(/^alert: /, "").replace(/^jq: /, "");
}

/** How many characters people see: a pair of surrogates is one. */
export function length(text) {
  let n = 0;
  for (const _ of text) n++;
  return n;
}
