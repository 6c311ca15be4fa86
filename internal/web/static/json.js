// JSON without loss: numbers that a float64 cannot hold keep their digits.
//
// JSON.parse rounds them, and only browsers since 2025 pass their text to a reviver. So they are searched for in the
// text, where they are very rare.

const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g; // strings too, so that digits in them are not taken for numbers
const suspicious = /\d{16}|[eE]\+?\d{3}/;
const mark = `${Math.random()} `; // no text from a server begins with it

/** Parses JSON. Integers beyond 2^53 become a bigint, and what is too large for a number stays text. */
export function parse(json) {
  const rounded = JSON.parse(json); // also checks that it is JSON
  if (!suspicious.test(json)) return rounded;
  const exact = json.replace(tokens, (token) => (isRounded(token) ? `"${mark}${token}"` : token));
  return JSON.parse(exact, (_, value) => {
    if (typeof value !== "string" || !value.startsWith(mark)) return value;
    const digits = value.slice(mark.length);
    return /^-?\d+$/.test(digits) ? BigInt(digits) : digits;
  });
}

/** Writes a value as text that is the same for equal values. */
export function stringify(value) {
  return JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${mark}${v}` : v)) ?? "";
}

function isRounded(token) {
  if (token.startsWith('"')) return false;
  const value = Number(token);
  return !Number.isFinite(value) || (/^-?\d+$/.test(token) && !Number.isSafeInteger(value));
}
