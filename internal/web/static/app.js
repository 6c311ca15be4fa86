// The page: what the store knows, drawn once per animation frame.
//
//	tidewire.js --snapshot--> store.js --frame()--> cards, toolbar
//	               job-card.js --trigger--> api.js --run--> store.js
//
// Everything that changes calls draw(); the browser asks for a frame when the
// page is visible, so a hidden page lays out nothing, and a burst of events
// costs one pass.

import { Account } from "./account.js";
import { Announcer } from "./announcer.js";
import { onRefused } from "./api.js";
import * as clock from "./clock.js";
import { Connection } from "./connection.js";
import { byId, List, optional, text } from "./dom.js";
import { printable } from "./format.js";
import { judged } from "./freshness.js";
import { JobCard } from "./job-card.js";
import { parse } from "./json.js";
import { SourceCard } from "./source-card.js";
import { Store } from "./store.js";
import { subscribe } from "./tidewire.js";
import { Toolbar } from "./toolbar.js";

const ui = byId("announcer", "config-problem", "source-list", "job-list", "no-sources", "no-jobs", "sources", "jobs");

let drawing = 0;
function draw() {
  drawing ||= requestAnimationFrame(frame);
}

const announcer = new Announcer(ui.announcer);
const say = (sentence) => announcer.say(sentence);
const toolbar = new Toolbar(draw);
const connection = new Connection(say);
const account = new Account(renew, draw);
const store = new Store(changed, say, renew);
const sourceCards = new List(ui["source-list"], () => new SourceCard(draw, say), ui.sources);
const jobCards = new List(ui["job-list"], () => new JobCard(draw, (run) => {
  toolbar.pause(false); // whoever starts a run wants to see it move
  store.started(run);
}), ui.jobs);

// The lists as they are shown: while paused, as they were, and the keys of what has news since.
let view = { sources: new Map(), jobs: new Map() };
const held = new Set();

function changed(key) {
  if (toolbar.paused && /^(source|job)\//.test(key)) held.add(key);
  draw();
}

function frame() {
  drawing = 0;
  if (!toolbar.paused) held.clear();
  if (!store.loaded) view = { sources: new Map(), jobs: new Map() };
  else if (!toolbar.paused) view = { sources: known(), jobs: new Map(store.jobs) };
  else if (!view.still) view = { ...view, sources: stilled(view.sources), still: true };
  connection.show(stream.heardAt, toolbar.paused ? held.size : null);
  misconfigured(store.config);

  const { refusal } = account;
  const all = new Map([...view.sources].map(([name, { source, samples }]) => [name, { source: judged(source), samples, refusal }]));
  toolbar.update(store.loaded ? [...all.values()].map(({ source }) => source) : null);
  const sources = select(all, ({ source }) => toolbar.wants(source));
  const jobs = select(view.jobs, ({ job }) => toolbar.finds(job));
  for (const [name, entry] of jobs) jobs.set(name, { ...entry, refusal, still: toolbar.paused, mine: (id) => store.mine(id) });
  sourceCards.show(sources);
  jobCards.show(jobs);
  optional(ui["no-sources"], emptiness(view.sources, sources, "sources"));
  optional(ui["no-jobs"], emptiness(view.jobs, jobs, "jobs"));
}

/** Each source with what its chart draws. */
function known() {
  return new Map([...store.sources].map(([name, source]) => [name, { source, samples: store.samples(name) }]));
}

/** The same, of which nothing moves on. */
function stilled(sources) {
  return new Map([...sources].map(([name, { source, samples }]) => [name, { source, samples: [...samples] }]));
}

/** Says what is wrong with the configuration, while what was loaded before is at work. */
function misconfigured(config) {
  const banner = ui["config-problem"];
  banner.hidden = !config?.error;
  if (banner.hidden) return;
  text(banner.querySelector(".file"), printable(config.file));
  text(banner.querySelector("pre"), printable(config.error));
}

function select(items, wanted) {
  return new Map([...items].filter(([, item]) => wanted(item)));
}

function emptiness(all, shown, what) {
  if (shown.size > 0 || !store.loaded) return "";
  if (all.size > 0) return `No ${what} match this view.`;
  return `No ${what} yet. Add some below “${what}:” in the configuration.`;
}

const stream = subscribe("api/v1/stream", {
  parse,
  unpack: (body) => body.snapshots,
  onSnapshot: (snapshot) => store.apply(snapshot),
  onReset: () => store.reload(),
  onState: (state, until) => {
    if (state === "live" || state === "polling") store.reload(); // meanwhile sources and jobs may have come and gone
    if (state === "signed-out") signedOut();
    connection.take(state, until);
    account.connection(state);
    draw();
  },
});
onRefused(() => account.refused());

/** Shows nothing that was for who is signed out. */
function signedOut() {
  store.forget();
  toolbar.pause(false);
}

/** Asks for everything anew: there is another configuration, or another person. */
function renew() {
  store.reload();
  stream.renew(); // the one that is open goes on with what there was
}

setInterval(() => {
  if (clock.wasSet()) store.reload(); // whose answer tells by how much
  draw(); // ages and countdowns
}, 1000);
draw();
