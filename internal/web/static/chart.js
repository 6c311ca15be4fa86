// The chart of a source: a line of its numbers over a time, with the band between their least and largest, a grid, limits, and the
// times in which its alert fired. A cursor reads it, by pointer or by keyboard.
//
// The server draws the figure, its summary and a table. What is drawn here, it says in attributes of the figure: data-source,
// data-field, data-from and data-until (times), data-unit, data-decimals, data-limits (JSON: [{at, text, bad}]) and data-firing (JSON:
// [[from, until]]).

import * as api from "./api.js";
import { clock, number, seconds } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000, HEIGHT = 240; // of the path's own units; it is stretched
const minute = 60_000, hour = 60 * minute, day = 24 * hour;
const steps = [minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 4 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day];

/**
 * What a chart of `history` shows from one time to another: paths in 1000 x 240 units, and marks at shares of the sides, from 0 to 1
 * (of the height, from the top). `limits` are numbers with a text; one far from the numbers is left out.
 */
export function plot(history, { from, until, limits = [], firing = [] }) {
  const points = pointsOf(history).filter(({ at }) => at >= from && at <= until);
  const known = points.filter(({ v }) => v !== null);
  let low = Infinity, high = -Infinity;
  for (const p of known) {
    low = Math.min(low, p.min);
    high = Math.max(high, p.max);
  }
  if (known.length === 0 || Math.max(-low, high) > 1e300) return { points: [], empty: known.length > 0 ? "The numbers are too large to draw." : "There are no numbers in this time." };
  const near = limits.filter(({ at }) => at >= low - (high - low) && at <= high + (high - low));
  for (const { at } of near) {
    low = Math.min(low, at);
    high = Math.max(high, at);
  }
  const scale = scaleOf(low, high), x = (at) => (at - from) / (until - from), y = (v) => (scale.high - v) / (scale.high - scale.low);
  for (const p of points) {
    p.x = x(p.at);
    p.y = p.v === null ? null : y(p.v);
  }
  const times = timesOf(from, until), date = times.findIndex(({ isDate }) => isDate); // narrow charts show every other time, and a date if there is one
  const grid = scale.ticks.map((v) => ({ y: y(v), text: number(v, scale.decimals, true) }));
  return {
    points: known, ...paths(points, y), grid, decimals: scale.decimals,
    times: times.map((tick, i) => ({ ...tick, x: x(tick.at), odd: (i - date) % 2 !== 0 })),
    limits: near.map((limit) => ({ ...limit, y: y(limit.at) })),
    spans: firing.map(([begin, end]) => [Math.max(x(begin), 0), Math.min(x(end), 1)]).filter(([a, b]) => b > a).map(([a, b]) => ({ x: a, width: b - a })),
  };
}

function pointsOf({ t, v, min, max }) {
  return t.map((at, i) => ({ at, v: v[i] === null ? null : Number(v[i]), min: Number(min[i]), max: Number(max[i]) }));
}

/** The line of the numbers and the band around it. Where there was none, both are broken. */
function paths(points, y) {
  let line = "", band = "", bottom = "";
  const mark = (x, share) => `${(x * WIDTH).toFixed(1)} ${(share * HEIGHT).toFixed(1)}`;
  const close = () => {
    if (bottom) band += `${bottom}z`;
    bottom = "";
  };
  for (const [i, p] of points.entries()) {
    if (p.v === null) {
      close();
      continue;
    }
    const begins = i === 0 || points[i - 1].v === null;
    line += begins ? `M${mark(p.x, p.y)}h0` : `L${mark(p.x, p.y)}`; // a point alone is a dot
    band += `${begins ? "M" : "L"}${mark(p.x, y(p.max))}`;
    bottom = `L${mark(p.x, y(p.min))}${bottom}`;
  }
  close();
  return { line, band };
}

/** Ticks at round numbers, about four of them, between which all numbers are. */
function scaleOf(low, high) {
  if (low === high) {
    const room = Math.abs(low) / 10 || 1;
    [low, high] = [low - room, high + room];
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough * 0.999) * power;
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  const ticks = [];
  for (let i = first; i <= last && ticks.length < 10; i++) ticks.push(i * step);
  return { low: first * step, high: last * step, ticks, decimals: Math.min(10, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) };
}

/** Times of day, or days, of the reader's zone. */
function timesOf(from, until) {
  const step = steps.find((n) => (until - from) / n <= 7.5) ?? 7 * day, ticks = [];
  const begin = new Date(from), [y, m, d] = [begin.getFullYear(), begin.getMonth(), begin.getDate()];
  const monday = step === 7 * day ? (begin.getDay() + 6) % 7 : 0;
  for (let i = 0; i < 2000; i++) {
    const date = step < day ? new Date(y, m, d, 0, (i * step) / minute) : new Date(y, m, d - monday + (i * step) / day);
    if (date > until) break;
    const isDate = step >= day || date.getHours() + date.getMinutes() === 0, at = Number(date);
    if (at >= from) ticks.push({ at, isDate, text: isDate ? dateOf(date) : clock(at, at) });
  }
  return ticks;
}

const dateOf = (date) => date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });

/** Takes over a figure of the server, and draws it again whenever that says something else. */
export function takeChart(figure) {
  const area = document.createElement("div"), readout = figure.querySelector(".readout");
  figure.querySelector(".plot").replaceChildren(area);
  const chart = { figure, area, readout, view: { points: [] }, at: null, history: null };
  area.tabIndex = 0;
  area.setAttribute("role", "slider");
  area.setAttribute("aria-label", figure.getAttribute("aria-label")); // until there are numbers
  area.addEventListener("pointermove", (event) => point(chart, event));
  area.addEventListener("pointerdown", (event) => point(chart, event));
  area.addEventListener("pointerleave", () => move(chart, null));
  area.addEventListener("blur", () => move(chart, null));
  area.addEventListener("keydown", (event) => key(chart, event));
  area.setAttribute("aria-valuenow", 0);
  const load = loader(chart);
  new MutationObserver(load).observe(figure, { attributes: true });
  document.addEventListener("visibilitychange", load);
  load();
}

/** Returns what fetches the numbers and draws them: not more often than the chart could show, not twice at a time, and not in a hidden tab. */
function loader(chart) {
  let busy = false, again = false, loaded = "", next = 0;
  return async function load() {
    if (busy || document.hidden) {
      again = busy;
      return;
    }
    const { source, field, from, until } = chart.figure.dataset;
    const [begin, end] = [Date.parse(from), Date.parse(until)], what = `${source} ${field} ${end - begin}`;
    const points = Math.min(Math.max(Math.round(chart.area.clientWidth / 2), 100), 500);
    if (what === loaded && Date.now() < next) return draw(chart); // its alert may fire since
    busy = true;
    try {
      chart.history = await api.numbers(source, { field, since: from, until, points });
      [loaded, next] = [what, Date.now() + Math.min(Math.max((end - begin) / points, 2000), 30_000)];
      draw(chart);
    } catch ({ message }) {
      chart.readout.textContent = message;
      next = Date.now() + 5000;
    }
    busy = false;
    if (again) {
      again = false;
      load();
    }
  };
}

/** Draws what was fetched. */
function draw(chart) {
  const { figure, area, history } = chart, { from, until, limits, firing } = figure.dataset;
  chart.view = plot(history, { from: Date.parse(from), until: Date.parse(until), limits: JSON.parse(limits || "[]"), firing: JSON.parse(firing || "[]") });
  const { view } = chart;
  area.setAttribute("aria-label", figure.getAttribute("aria-label"));
  if (view.empty) {
    area.replaceChildren();
    chart.readout.textContent = view.empty;
    return;
  }
  chart.cursor = [element("line", { class: "cursor", y1: 0, y2: "100%", visibility: "hidden" }), element("circle", { class: "cursor", r: 4, visibility: "hidden" })];
  const inner = element("svg", { y: 8, width: "100%", height: HEIGHT, overflow: "visible" },
    ...view.spans.map(({ x, width }) => element("rect", { class: "firing", x: percent(x), width: percent(width), y: 0, height: "100%" })),
    ...view.grid.map(({ y }) => element("line", { class: "grid", x1: 0, x2: "100%", y1: percent(y), y2: percent(y) })),
    ...view.times.map(({ x }) => element("line", { class: "grid", x1: percent(x), x2: percent(x), y1: 0, y2: "100%" })),
    element("svg", { width: "100%", height: "100%", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", overflow: "visible" },
      element("path", { class: "band-area", d: view.band }), element("path", { class: "line", d: view.line })),
    ...view.limits.map(({ y, bad }) => element("line", { class: bad ? "threshold" : "limit", x1: 0, x2: "100%", y1: percent(y), y2: percent(y) })),
    ...view.grid.map(({ y, text }) => element("text", { class: "axis", x: 4, y: percent(y), dy: -4 }, text)),
    ...view.limits.map(({ y, text, bad }) => element("text", { class: bad ? "axis limit" : "axis", x: "100%", y: percent(y), dx: -4, dy: y < 0.1 ? 14 : -4, "text-anchor": "end" }, text)),
    ...chart.cursor);
  const times = view.times.filter(({ x }) => x > 0.03 && x < 0.97);
  area.replaceChildren(element("svg", { width: "100%", height: HEIGHT + 32, "aria-hidden": "true" }, inner,
    ...times.map(({ x, text, odd }) => element("text", { class: odd ? "axis odd" : "axis", x: percent(x), y: HEIGHT + 26, "text-anchor": "middle" }, text))));
  move(chart, chart.at);
}

const percent = (share) => `${(share * 100).toFixed(2)}%`;

function element(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Puts the cursor on the point that is next to a time; null takes it away. */
function move(chart, at) {
  const { view: { points }, area, readout, cursor, figure } = chart;
  if (points.length === 0) return;
  chart.at = at;
  const i = at === null ? points.length - 1 : nearest(points, at), { x, y } = points[i];
  for (const [node, attributes] of [[cursor[0], { x1: percent(x), x2: percent(x) }], [cursor[1], { cx: percent(x), cy: percent(y) }]]) {
    for (const [key, value] of Object.entries({ ...attributes, visibility: at === null ? "hidden" : "visible" })) node.setAttribute(key, value);
  }
  const text = spoken(points[i], figure.dataset, chart.view.decimals);
  readout.textContent = text;
  for (const [key, value] of Object.entries({ valuemin: 0, valuemax: points.length - 1, valuenow: i, valuetext: text })) area.setAttribute(`aria-${key}`, value);
}

function spoken({ at, v, min, max }, { unit, decimals = "", from, until }, digits) {
  const say = (x) => {
    const text = number(x, decimals === "" ? undefined : Number(decimals), true), [, rest = ""] = text.split(".");
    return decimals !== "" || Number.isInteger(x) || rest.length >= digits ? text : number(x, digits, true); // as fine as the axis
  };
  const time = Date.parse(until) - Date.parse(from) <= 2 * hour ? seconds(at) : clock(at, Date.now());
  const range = say(min) === say(max) ? "" : `, between ${say(min)} and ${say(max)}`;
  return `${time}: ${say(v)}${unit ? ` ${unit}` : ""}${range}`;
}

function nearest(points, at) {
  let best = 0;
  for (const [i, p] of points.entries()) if (Math.abs(p.at - at) < Math.abs(points[best].at - at)) best = i;
  return best;
}

function point(chart, event) {
  const { from, until } = chart.figure.dataset, box = chart.area.getBoundingClientRect();
  const [begin, end] = [Date.parse(from), Date.parse(until)];
  move(chart, begin + ((event.clientX - box.left) / box.width) * (end - begin));
}

const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };

function key(chart, event) {
  const { view: { points }, at } = chart;
  if (points.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") return move(chart, null);
  const by = moves[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const i = at === null ? points.length - 1 : nearest(points, at);
  move(chart, points[Math.min(Math.max(i + by, 0), points.length - 1)].at);
}
