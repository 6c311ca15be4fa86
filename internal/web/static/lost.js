// That there is no connection, said above everything; and that it is a proxy in front of the page that lets nobody through.

import * as api from "./api.js";
import { band } from "./band.js";
import { lasted, seconds } from "./words.js";

const PAUSE = 10_000; // ms between two questions who answers

let asked = -Infinity, elsewhere = ""; // what is said of a proxy

/** Shows since when there is no connection (in ms; null: there is one), and in how many ms it is tried again. */
export function lost(since, again, retry) {
  if (since === null) {
    elsewhere = "";
    band("lost", null);
    return;
  }
  ask();
  const next = again > 0 ? ` Trying again in ${lasted(again)}.` : "";
  band("lost", {
    state: "lost", text: `No connection since ${seconds(since)}`, act: "Try now",
    more: `What you see is ${lasted(Date.now() - since)} old.${elsewhere ? ` ${elsewhere}` : next}`,
  }, retry);
}

async function ask() {
  if (document.hidden || Date.now() - asked < PAUSE) return;
  asked = Date.now();
  elsewhere = await api.me().then(() => "", (problem) => problem.foreign ? problem.message : "");
}
