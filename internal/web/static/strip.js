// The last 20 runs of a job as bars, newest at the right: what went well stands on the line, what did not hangs below it.

import { judgeRun } from "./judge.js";
import { clock, took } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PLACES = 20;

/**
 * The bars of a job: of the runs in its strip ({status, started_at, took in s}, oldest first), and of the one that goes on. The
 * places of those that are not there stay empty.
 */
export function strip({ strip = [], last_run: run }, now) {
  const going = run && ["queued", "running", "cancelling"].includes(run.status) && strip.at(-1)?.id !== run.id;
  const begun = going && (run.started_at ?? run.created_at);
  const runs = going ? [...strip, { status: run.status, started_at: begun, took: Math.max(0, now - Date.parse(begun)) / 1000 }].slice(-PLACES) : strip;
  const longest = Math.max(1, ...runs.map((run) => run.took));
  return runs.map((run, i) => {
    const { state, word, needs } = judgeRun(run), x = (PLACES - runs.length + i) * 6;
    const title = `${word}, ${clock(Date.parse(run.started_at), now)}, took ${took(run.took * 1000)}`;
    if (needs) return { x, y: 18, height: 6, state, title };
    if (run.status === "queued") return { x, y: 13, height: 3, state, title };
    const height = 3 + Math.floor(11 * Math.sqrt(run.took / longest));
    return { x, y: 16 - height, height, state, title };
  });
}

/** Draws them into an svg.strip of 119 x 24 units. */
export function drawStrip(svg, bars) {
  const rects = svg.getElementsByTagName("rect");
  while (rects.length > bars.length) rects[rects.length - 1].remove();
  for (const [i, { x, y, height, state, title }] of bars.entries()) {
    const rect = rects[i] ?? svg.appendChild(bar());
    const is = { x, y, height, "data-state": state };
    for (const name in is) if (rect.getAttribute(name) !== String(is[name])) rect.setAttribute(name, is[name]);
    if (rect.firstChild.textContent !== title) rect.firstChild.textContent = title;
  }
}

function bar() {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("width", 5);
  rect.append(document.createElementNS(SVG, "title"));
  return rect;
}
