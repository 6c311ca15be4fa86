// The last 24 h of a source: a line of its headline, and a bar of its states. The server draws neither, but leaves room.

import { number } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * The line of `points` (numbers, oldest first, null where there was none) in 100 x 32 units, the ends of its range, and a summary
 * for those who do not see it. `line` is empty with fewer than two.
 */
export function trend(points, decimals) {
  const none = { line: "", area: "", end: "", low: "", high: "", summary: "" };
  let low = Infinity, high = -Infinity, first = null, last = null, known = 0;
  points = points.map((p) => (p === null ? null : Number(p))); // one may be a bigint
  for (const p of points) {
    if (p === null) continue;
    if (p < low) low = p;
    if (p > high) high = p;
    known++;
    first ??= p;
    last = p;
  }
  if (known < 2 || Math.max(-low, high) > 1e300) return none;
  const span = high - low || 1, x = (i) => ((i * 100) / (points.length - 1)).toFixed(1), y = (v) => (29 - ((v - low) / span) * 26).toFixed(1);
  let line = "", area = "", began = 0;
  for (const [i, p] of points.entries()) {
    if (p === null) continue;
    const begins = i === 0 || points[i - 1] === null;
    if (begins) {
      began = i;
      area += `M${x(i)} 32`;
    }
    line += `${begins ? "M" : "L"}${x(i)} ${y(p)}`;
    area += `L${x(i)} ${y(p)}`;
    if (i === points.length - 1 || points[i + 1] === null) area += `L${x(i)} 32L${x(began)} 32`;
  }
  const say = (v) => number(v, decimals, true);
  const change = (last - first) / span, way = change > 0.15 ? "rising" : change < -0.15 ? "falling" : "steady";
  const view = { line, area, end: `M100 ${y(last)}h0`, low: say(low), high: say(high) };
  return { ...view, summary: `24 h: ${view.low} to ${view.high}, ${way}` };
}

/**
 * The bar of states (a letter each half hour: o for ok, s for stale, f for failing, u for what is not known) in 48 x 6 units: what
 * was ok is a line, what was not hangs below it.
 */
export function day(letters) {
  const paths = { o: "", s: "", f: "" };
  let bad = 0;
  for (const { 0: run, index } of letters.matchAll(/(.)\1*/g)) {
    const letter = run[0], n = run.length;
    if (letter in paths) paths[letter] += `M${index} 0h${n}v${letter === "o" ? 2 : 6}h-${n}z`;
    if (letter !== "o") bad++;
  }
  const summary = bad === 0 ? "24 h: ok throughout" : `24 h: not ok ${bad === 1 ? "once" : `${bad} times`}`;
  return { ok: paths.o, stale: paths.s, failing: paths.f, summary };
}

/** Draws a trend into what the server has left for it: an svg.spark with its range and its summary beside it. */
export function drawTrend(node, view) {
  node.hidden = view.line === "";
  if (node.hidden) return;
  const svg = node.querySelector("svg");
  if (!svg.firstElementChild) svg.append(path("area"), path("line"), path("dot"));
  for (const [i, d] of [view.area, view.line, view.end].entries()) svg.children[i].setAttribute("d", d);
}

/** Draws a day into an svg.day. */
export function drawDay(svg, view) {
  svg.toggleAttribute("hidden", !(view.ok || view.stale || view.failing));
  if (!svg.firstElementChild) svg.append(path(""), path("", "stale"), path("", "failing"));
  for (const [i, d] of [view.ok, view.stale, view.failing].entries()) svg.children[i].setAttribute("d", d);
  svg.setAttribute("aria-label", view.summary);
}

function path(name, state) {
  const node = document.createElementNS(SVG, "path");
  if (name) node.setAttribute("class", name);
  if (state) node.dataset.state = state;
  return node;
}
