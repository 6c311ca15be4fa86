// The pages of a job and of a run, and the form that starts one.

import * as clock from "./clock.js";
import { forms } from "./forms.js";
import { Log } from "./log.js";
import { Page } from "./refresh.js";
import { drawStrip, strip } from "./strip.js";
import { localise, tick } from "./times.js";

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
