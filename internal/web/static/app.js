// The page: the contents of the store, drawn once per animation frame.
//
//	tidewire.js --snapshot--> store.js --frame()--> cards, toolbar
//	               job-card.js --trigger--> api.js --run--> store.js
//
// Every change calls draw(); the browser requests frames only while the page is visible, so a hidden page lays out
// nothing, and a burst of events costs one pass.

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
import { Replicas } from "./replicas.js";
import { Silences } from "./silences.js";
import { SourceCard } from "./source-card.js";
import { ended, Store } from "./store.js";
import { subscribe } from "./tidewire.js";
import { Toolbar } from "./toolbar.js";
import { jobViews, pressing, sourceViews } from "./views.js";

const ui = byId("announcer", "config-problem", "store-problem", "source-list", "job-list", "no-sources", "no-jobs", "sources", "jobs", "main");

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
const jobCards = new List(ui["job-list"], () => new JobCard(draw, say, (run) => {
  toolbar.pause(false); // a user who starts a run wants to see its progress
  store.started(run);
}), ui.jobs);
const silences = new Silences(say);
const replicas = new Replicas();

// The lists as shown: while paused, their earlier state, and the keys of the items that have changed since.
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
  else if (!toolbar.paused) view = { sources: known(), jobs: knownJobs() };
  else if (!view.still) view = { ...view, sources: stilled(view.sources), still: true };
  const lost = connection.show(stream.heardAt, toolbar.paused ? held.size : null);
  ui.main.classList.toggle("old", lost || self()?.state === "away");
  misconfigured(store.config);

  const { refusal } = account;
  const all = new Map([...view.sources].map(([name, item]) => [name, sourceItem(item, refusal)]));
  const allJobs = new Map([...view.jobs].map(([name, item]) => [name, jobItem(item, refusal)]));
  toolbar.update(store.loaded ? [...all.values(), ...allJobs.values()] : null);
  const sources = select(all, ({ source, views }) => toolbar.wants(source, views));
  const jobs = select(allJobs, ({ job, views }) => toolbar.wants(job, views));
  sourceCards.show(sources);
  jobCards.show(jobs);
  const may = (of) => (of.startsWith("job/") ? store.jobs.get(of.slice("job/".length))?.job.allowed : null) ?? !refusal;
  silences.show(store.alerts, titleOf, may);
  replicas.show(store.replicas, owned());
  optional(ui["no-sources"], emptiness(view.sources, sources, "sources"));
  optional(ui["no-jobs"], emptiness(view.jobs, jobs, "jobs"));
}

/** Each source with the samples for its chart. */
function known() {
  return new Map([...store.sources].map(([name, source]) => [name, { source, samples: store.samples(name) }]));
}

/** Each job with its newest run and its alert. */
function knownJobs() {
  return new Map([...store.jobs].map(([name, entry]) => [name, { ...entry, alert: store.alerts.alerts.get("job/" + name) ?? null }]));
}

/** What the card of a source and the toolbar need. */
function sourceItem({ source, samples }, refusal) {
  const now = judged(source), views = sourceViews(now);
  return { source: now, samples, refusal, views, pressing: pressing(views, now.alert), by: by(now.replica, ""), ...silencing("source/" + now.name, now.alert, !refusal, refusal) };
}

/** The same of a job. */
function jobItem(entry, refusal) {
  const { job, run, alert } = entry, views = jobViews(entry);
  const going = run && !ended(run); // the next run may be another replica's
  return {
    ...entry, refusal, still: toolbar.paused, mine: (id) => store.mine(id), views, pressing: pressing(views, alert),
    by: by(going ? run.replica : job.replica, "no replica starts its runs at the moment"), ...silencing("job/" + job.name, alert, job.allowed, refusal),
  };
}

/**
 * The silence that keeps people from being told of a source or a job, and whether whoever looks is offered to change that:
 * where there is nobody who could be told, it is no question. Besides, who was told, and what else can be silenced in its
 * place: of an alert that is not clear also all of its upstream.
 */
function silencing(key, alert, may, refusal) {
  const { silences, receivers } = store.alerts;
  const found = alert?.silenced ?? silences.find(({ of }) => of === key || of === "all") ?? null;
  const { of } = silences.find(({ id }) => found?.id && id === found.id) ?? {}; // it may be of more than this one
  const silence = found && of ? { ...found, of, title: titleOf(of) } : found;
  const { told = [], upstream } = store.alerts.alerts.get(key) ?? {};
  const wider = refusal ? [] : [...(upstream ? [`upstream/${upstream}`] : []), "all"].map((of) => ({ key: of, title: titleOf(of) }));
  return { told, wider, silence, offered: may && (receivers.length > 0 || Boolean(alert) || silence !== null) };
}

/** What people call what a silence is of. */
function titleOf(of) {
  const [what, name] = of.split("/");
  if (what === "all") return "All alerts";
  if (what === "upstream") return printable(`Everything of ${name}`);
  const { title } = (what === "job" ? store.jobs.get(name)?.job : store.sources.get(name)) ?? {};
  return printable(title || name);
}

/** The same, standing still. */
function stilled(sources) {
  return new Map([...sources].map(([name, { source, samples }]) => [name, { source, samples: [...samples] }]));
}

/** What each replica polls and starts, by its name, as people call it. */
function owned() {
  const all = new Map(store.replicas.map(({ name }) => [name, []]));
  for (const { name, title, replica } of store.sources.values()) all.get(replica)?.push(printable(title || name));
  for (const { job: { name, title, replica } } of store.jobs.values()) all.get(replica)?.push(printable(title || name));
  return all;
}

/** What shows the replica that polls a source or runs a job, given its name: nothing where there is one alone. */
function by(name, missing) {
  const { replicas } = store;
  const known = replicas.length > 0 && self()?.state !== "away"; // otherwise the banner says that nothing is
  const gone = known && !replicas.some((replica) => replica.name === name && replica.state === "ok");
  const place = name && (gone || replicas.length > 1) ? `on ${printable(name)}` : "";
  const said = !gone ? place : name ? `${place}, which does not answer` : missing;
  return {
    show(node) {
      optional(node, known ? said : "");
      node.classList.toggle("gone", gone);
    },
  };
}

/** The replica that answers this page; undefined if there can be no others. */
function self() {
  return store.replicas.find(({ self }) => self);
}

/** What the banner about the store says: for replicas, others go on. */
function storeless() {
  const { state } = self() ?? {};
  if (!state) return "State cannot be stored. Sources and jobs go on, and what happens is kept in memory until it can.";
  if (state === "ok") return "This replica does not reach the store. If that lasts, the others take over what it does.";
  return "This replica has lost the store: it polls nothing and starts no runs, and what it shows may be old. Those that reach the store do its work.";
}

/** Shows what is wrong with the configuration, while the previous one is in effect, and with the store. */
function misconfigured(config) {
  ui["store-problem"].hidden = !config?.store_error;
  text(ui["store-problem"].querySelector("span"), storeless());
  text(ui["store-problem"].querySelector("pre"), printable(config?.store_error ?? ""));
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
    if (state === "live" || state === "polling") store.reload(); // sources and jobs may have changed meanwhile
    if (state === "signed-out") signedOut();
    connection.take(state, until);
    account.connection(state);
    draw();
  },
});
onRefused(() => account.refused());

/** Removes everything that was shown to a user who has signed out. */
function signedOut() {
  store.forget();
  toolbar.pause(false);
}

/** Requests everything anew, for another configuration or another user. */
function renew() {
  store.reload();
  stream.renew(); // the open stream would continue with the previous topics
}

setInterval(() => {
  if (clock.wasSet()) store.reload(); // the answer tells by how much
  draw(); // ages and countdowns
}, 1000);
draw();
