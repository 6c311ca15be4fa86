// Formats numbers, times and untrusted text for people.

const ages = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekdays = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
const dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const whole = new Intl.NumberFormat("en");
const numbers = new Map(); // formats by number of decimals

const HUGE = 1e16; // from here on neighbours of a float64 are two or more apart
const DIGITS = 40; // of an integer that are shown
const LONG = 400, NAME = 100; // characters of a text, and of a field's name, that are shown

/**
 * Formats a number: grouped, with exactly `decimals` digits behind the point, or at most two. One that is so large that
 * its digits are not known, or so small that two decimals show nothing of it, is written with an exponent.
 */
export function number(value, decimals) {
  if (typeof value === "bigint") return integer(value);
  if (Math.abs(value) >= HUGE) return short(value.toPrecision(4));
  if (decimals === undefined && value !== 0 && Math.abs(value) < 0.01) return short(value.toPrecision(2));
  let format = numbers.get(decimals);
  if (!format) {
    const digits = decimals === undefined ? { maximumFractionDigits: 2 } :
      { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    numbers.set(decimals, format = new Intl.NumberFormat("en", digits));
  }
  return format.format(value);
}

/** Drops insignificant zeros: "1.500e+308" is 1.5e308. */
function short(digits) {
  return digits.replace(/\.?0*(e|$)/, "$1").replace("e+", "e");
}

/** Formats an integer of any size, with all digits if there are not too many to read. */
function integer(value) {
  const [, sign, digits] = /^(-?)(.*)$/.exec(value);
  return digits.length <= DIGITS ? whole.format(value) : `${sign}${digits[0]}.${digits.slice(1, 4)}e${digits.length - 1}`;
}

/** Formats any single value; lists and objects become one line. Long text is cut. */
export function scalar(value, decimals, most = LONG) {
  return excerpt(line(value, decimals, most), most);
}

function line(value, decimals, most) {
  switch (typeof value) {
    case "number": case "bigint": return number(value, decimals);
    case "boolean": return value ? "yes" : "no";
    case "string": return printable(excerpt(value, most));
  }
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.length ? value.map((v) => line(v, decimals, most)).join(", ") : "none";
  return Object.entries(value).map(([k, v]) => `${label(k)} ${line(v, decimals, most)}`).join(", ") || "none";
}

/** Cuts a text that is longer than `most` characters, and adds how many are left out. */
export function excerpt(string, most = LONG) {
  if (string.length <= most + 100) return string; // instead of "40 more" there is room for them
  const end = string.codePointAt(most - 1) > 0xffff ? most - 1 : most; // not in the middle of a surrogate pair
  return `${string.slice(0, end)}… (${whole.format(string.length - end)} more characters)`;
}

/** Turns a field's name into a label: underscores are spaces. */
export function label(name) {
  return printable(excerpt(name, NAME)).replaceAll("_", " ");
}

/** Formats how long something takes: "7 s", "4:10 min", "2 h 05 min". */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

/** Formats how long something has lasted, in a unit that is large enough: "22 s", "17 min", "3 h", "2 d". */
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

/** Formats how long ago a time is: "2 seconds ago". */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "just now";
  if (seconds < 60) return ages.format(-seconds, "second");
  if (seconds < 3600) return ages.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return ages.format(-Math.floor(seconds / 3600), "hour");
  return ages.format(-Math.floor(seconds / 86400), "day");
}

/** Formats the length of a stretch of time roughly, rounded up: "5 min", "24 h", "7 d". */
export function span(ms) {
  const minutes = Math.max(1, Math.ceil(ms / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes <= 48 * 60 ? `${Math.ceil(minutes / 60)} h` : `${Math.ceil(minutes / 1440)} d`;
}

/** Formats a future time: "14:02", beyond the next day "Mon 14:02", beyond a week with its date. */
export function timeOfDay(date, now) {
  const days = (date - now) / 86_400_000;
  return (days < 1 ? hours : days < 6 ? weekdays : dates).format(date);
}

/** Formats a point in time with its date, for tooltips. */
export function moment(date) {
  return clock.format(date);
}

/**
 * Makes untrusted text fit to show: escape sequences of terminals go, other
 * control characters and those that turn the writing direction become visible.
 */
export function printable(string) {
  return string
    .replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g, "")
    .replace(/\r\n?/g, "\n")
    .replace(/[\x00-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}
