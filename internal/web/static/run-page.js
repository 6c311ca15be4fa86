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
/** Says that nothing is known of the run any more: the gateway is another process, and kept runs in memory. What was read stays. */
function lost() {
  const head = document.querySelector(".head"), state = head.querySelector(".state");
  if (head.dataset.state !== "running" && head.dataset.state !== "queued") return;
  head.dataset.state = state.dataset.state = "lost";
  state.textContent = "lost";
  const why = document.createElement("b");
  why.textContent = "The gateway restarted: it is not known how the run ended";
  head.querySelector(".why").replaceChildren(why);
  for (const node of head.querySelectorAll("progress, .acts > *")) node.remove();
  page.say(`${head.querySelector("h1").textContent}: lost`);
}

const page = new Page({ prepare: localise, changed: strips, gone: output ? lost : undefined });
forms(page);
setInterval(() => {
  if (document.hidden) return;
  tick(document);
  const until = document.querySelector("time[data-until]"); // what is not allowed, is then
  if (until && Date.parse(until.dateTime) <= clock.now()) page.renew();
}, 1000);
