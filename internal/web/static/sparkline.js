// A line of recent numbers, the band of their range, and a summary in words.

import { attribute } from "./dom.js";
import { number, printable, span } from "./format.js";

const WIDTH = 100, HEIGHT = 32, MARGIN = 3; // of the viewBox

/**
 * Draws samples ([[time, number, least, most], ...], oldest first, null where
 * there was none) into the paths of `svg` and returns a summary for those who
 * do not see it, or "" without numbers. `show` ({decimals, unit}) says how the
 * summary's numbers are written.
 */
export function sparkline(svg, samples, { decimals, unit }) {
  const known = samples.filter(([, value]) => value !== null);
  if (known.length === 0) return "";
  if (samples.length === 1) samples = [[samples[0][0] - 1, ...samples[0].slice(1)], samples[0]]; // a level line
  const low = Math.min(...known.map(([, , least]) => least)), high = Math.max(...known.map(([, , , most]) => most));
  const begin = samples[0][0], length = samples.at(-1)[0] - begin || 1; // ms
  const x = (time) => round(((time - begin) / length) * WIDTH);
  const y = (value) => round(high === low ? HEIGHT / 2 :
    HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN));

  let line = "", band = "", area = "", end = "";
  for (const stretch of stretches(samples)) {
    const along = (points) => points.map(([time, value]) => `${x(time)} ${y(value)}`);
    const points = along(stretch);
    end = `M${points.at(-1)}h0`;
    line += points.length === 1 ? end : "M" + points.join("L"); // a dot, or a line
    area += `M${points.join("L")}V${HEIGHT}H${x(stretch[0][0])}Z`;
    if (stretch.some(([, , least, most]) => least < most)) {
      const top = stretch.map(([time, , , most]) => [time, most]), bottom = stretch.map(([time, , least]) => [time, least]).reverse();
      band += `M${along([...top, ...bottom]).join("L")}Z`;
    }
  }
  attribute(svg.querySelector(".line"), "d", line);
  attribute(svg.querySelector(".band"), "d", band);
  attribute(svg.querySelector(".area"), "d", area);
  attribute(svg.querySelector(".dot"), "d", end);

  const format = (value) => number(value, decimals) + (unit ? ` ${printable(unit)}` : "");
  return `${span(length)}: min ${format(low)}, max ${format(high)}, ${trend(known.map(([, value]) => value), high - low)}`;
}

/** The runs of samples between those without a number. */
function* stretches(samples) {
  let begin = 0;
  for (let i = 0; i <= samples.length; i++) {
    if (i < samples.length && samples[i][1] !== null) continue;
    if (i > begin) yield samples.slice(begin, i);
    begin = i + 1;
  }
}

/** Compares the newest quarter with the one before, in terms of the whole range. */
function trend(values, range) {
  const n = Math.max(1, Math.floor(values.length / 4));
  const mean = (list) => list.reduce((sum, v) => sum + v, 0) / list.length;
  const change = mean(values.slice(-n)) - mean(values.slice(-2 * n, -n));
  if (range === 0 || !(Math.abs(change) >= range / 10)) return "steady"; // a single value has no predecessor
  return change > 0 ? "rising" : "falling";
}

function round(n) {
  return Math.round(n * 100) / 100;
}
