// The page of a source. The server draws it; what is drawn here is the chart.

import { takeChart } from "./chart.js";
import { forms } from "./forms.js";
import { Page } from "./refresh.js";
import { localise, tick } from "./times.js";

const taken = new WeakSet();

/** Takes over the chart, which is another one when the server has drawn it anew. */
function take() {
  const figure = document.querySelector(".chart");
  if (!figure || taken.has(figure)) return;
  taken.add(figure);
  takeChart(figure);
}

localise(document);
take();
forms(new Page({ prepare: localise, changed: take }));
setInterval(() => document.hidden || tick(document), 1000);
