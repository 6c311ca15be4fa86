// The pages of a job and of a run, and the form that starts one.

import * as clock from "./clock.js";
import { forms } from "./forms.js";
import { Log } from "./log.js";
import { Page } from "./refresh.js";
import { drawStrip, strip } from "./strip.js";
import { clock as timeOfDay, lasted } from "./words.js";

/** Writes the times in a document in the reader's zone. */
function localise(root) {
  for (const node of root.querySelectorAll("time[datetime]:not(.log time, [data-elapsed])")) write(node, timeOfDay(Date.parse(node.dateTime), clock.now()));
  tick(root);
}

function tick(root) {
  for (const node of root.querySelectorAll("time[data-elapsed]")) write(node, lasted(clock.now() - Date.parse(node.dateTime)));
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Draws the strips whose runs have changed. */
function strips() {
  for (const svg of document.querySelectorAll("svg.strip[data-runs]")) {
    if (svg.dataset.runs === drawn.get(svg)) continue;
    drawn.set(svg, svg.dataset.runs);
    drawStrip(svg, strip({ strip: JSON.parse(svg.dataset.runs) ?? [] }, clock.now()));
  }
}

const drawn = new WeakMap(); // svg -> the runs that it shows

localise(document);
strips();
const output = document.querySelector(".output");
if (output) new Log(output);
const page = new Page({ prepare: localise, changed: strips });
forms(page);
setInterval(() => document.hidden || tick(document), 1000);
