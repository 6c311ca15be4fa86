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
import { byId, List, optional, text } from "./dom.js";
import { JobCard } from "./job-card.js";
import { SourceCard } from "./source-card.js";
import { Store } from "./store.js";
import { subscribe } from "./tidewire.js";
import { Toolbar } from "./toolbar.js";

const ui = byId("announcer", "config-problem", "source-list", "job-list", "no-sources", "no-jobs");

let drawing = 0;
function draw() {
  drawing ||= requestAnimationFrame(frame);
}

const announcer = new Announcer(ui.announcer);
const toolbar = new Toolbar(draw);
const account = new Account(renew, draw);
const store = new Store(() => toolbar.paused || draw(), (sentence) => announcer.say(sentence), renew);
const sourceCards = new List(ui["source-list"], () => new SourceCard(draw, (sentence) => announcer.say(sentence)));
const jobCards = new List(ui["job-list"], () => new JobCard(draw, (run) => {
  toolbar.pause(false); // whoever starts a run wants to see it move
  store.started(run);
}));

// The lists as they are shown: while paused, as they were.
let view = { sources: new Map(), jobs: new Map() };

function frame() {
  drawing = 0;
  const counts = { all: store.sources.size };
  for (const { state } of store.sources.values()) counts[state] = (counts[state] ?? 0) + 1;
  toolbar.update(counts);
  misconfigured(store.config);
  if (!store.loaded) view = { sources: new Map(), jobs: new Map() };
  else if (!toolbar.paused) view = { sources: new Map(store.sources), jobs: new Map(store.jobs) };

  const sources = select(view.sources, (source) => source);
  const { refusal } = account;
  for (const [name, source] of sources) sources.set(name, { source, samples: store.samples(name), refusal });
  const jobs = select(view.jobs, ({ job }) => ({ name: job.name, title: job.title }));
  for (const [name, entry] of jobs) jobs.set(name, { ...entry, refusal, mine: (id) => store.mine(id) });
  sourceCards.show(sources);
  jobCards.show(jobs);
  optional(ui["no-sources"], emptiness(view.sources, sources, "sources"));
  optional(ui["no-jobs"], emptiness(view.jobs, jobs, "jobs"));
}

/** Says what is wrong with the configuration, while what was loaded before is at work. */
function misconfigured(config) {
  const banner = ui["config-problem"];
  banner.hidden = !config?.error;
  if (banner.hidden) return;
  text(banner.querySelector(".file"), config.file);
  text(banner.querySelector("pre"), config.error);
}

function select(items, describe) {
  return new Map([...items].filter(([, item]) => toolbar.wants(describe(item))));
}

function emptiness(all, shown, what) {
  if (shown.size > 0 || !store.loaded) return "";
  if (all.size > 0) return `No ${what} match this view.`;
  return `No ${what} yet. Add some below “${what}:” in the configuration.`;
}

const stream = subscribe("api/v1/stream", {
  unpack: (body) => body.snapshots,
  onSnapshot: (snapshot) => store.apply(snapshot),
  onReset: () => store.reload(),
  onState: (state, until) => {
    if (state === "live" || state === "polling") store.reload(); // meanwhile sources and jobs may have come and gone
    if (state === "signed-out") store.forget();
    toolbar.connection(state, until);
    account.connection(state);
    draw();
  },
});

/** Asks for everything anew: there is another configuration, or another person. */
function renew() {
  store.reload();
  stream.renew(); // the one that is open goes on with what there was
}

setInterval(() => toolbar.paused || draw(), 1000); // ages and countdowns
draw();
