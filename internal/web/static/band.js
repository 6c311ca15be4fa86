// Messages of the page about itself, above everything: one for each thing that there is to say.

import { blank, fill } from "./fill.js";

const bands = new Map(); // by name: {node, act}

/**
 * Shows a band: its state, its text, what more there is to say, and what its button says and does; null takes it away. It is put before
 * the content.
 */
export function band(name, view, act) {
  let shown = bands.get(name);
  if (!view) {
    if (shown?.node.contains(document.activeElement)) document.getElementById("main").focus();
    shown?.node.remove();
    bands.delete(name);
    return;
  }
  if (!shown) {
    const node = blank("band");
    bands.set(name, shown = { node });
    node.querySelector("button").addEventListener("click", () => shown.act());
    document.getElementById("main").before(node);
  }
  shown.act = act;
  fill(shown.node, view);
}
