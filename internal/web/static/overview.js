// The overview: what the server has drawn is taken over and kept true by the stream.
//
//	tidewire.js --snapshot--> plant.js --key--> engine.js --frame--> sections.js, job-list.js, and the verdict here
//
// A view of a component is computed by view.js from the JSON of the API, and written by fill.js.

import * as address from "./address.js";
import { Announcer } from "./announcer.js";
import { band } from "./band.js";
import * as clock from "./clock.js";
import { Engine } from "./engine.js";
import { fill } from "./fill.js";
import { forms } from "./forms.js";
import { JobList } from "./job-list.js";
import { parse } from "./json.js";
import { judge, judgeJob } from "./judge.js";
import { lost } from "./lost.js";
import { notice } from "./notices.js";
import { Plant } from "./plant.js";
import { Recent } from "./recent.js";
import { Sections } from "./sections.js";
import { signedOut } from "./sign-in.js";
import { subscribe } from "./tidewire.js";
import { judged, Truth } from "./truth.js";
import { sections as tree, verdict } from "./view.js";
import { plural, seconds } from "./words.js";

const part = (selector) => document.querySelector(selector);
const ui = { verdict: part(".verdict"), tools: part(".tools"), search: part(".bar .search"), connection: part(".connection"), pause: part("#pause"), none: part("#none") };
const operate = "operate" in part("#main").dataset; // whoever looks may do what is about no job

const announcer = new Announcer(part("#announcer"));
const truth = new Truth();
const plant = new Plant({
  source: (name) => dirty(name),
  job(name) {
    rejudgeJob(plant.jobs.get(name));
    jobs.touch(name);
    events.touch();
    stale.verdict = true;
    engine.wake();
  },
  listed() {
    for (const job of plant.jobs.values()) rejudgeJob(job);
    restructure();
  },
  trends: () => sections.touchAll(),
  configured() {},
  reconfigured: () => renew(),
  alerts: () => events.touch(),
  said: (sentence) => announcer.say(sentence),
});
const engine = new Engine(before);
const now = () => clock.now();
const sections = new Sections(part("#sections"), engine, { source: (name) => shownAs(plant.sources.get(name)), trends: (name) => plant.trends.get(name), now });
const jobs = new JobList(part("#jobs"), engine, { job: (name) => plant.jobs.get(name), now });

const events = new Recent(part("#events"));

const stale = { tree: true, verdict: true }; // what is to be computed in the next frame
const changed = new Set(); // names of sources with a newer snapshot
const states = new Map(), ofJobs = new Map(); // what each source and each job was last judged to be, by name
const told = new Map(); // what people were last told that each source is, by name
let connection = { lost: null, settled: false };
let held = null; // what sources were when the page was paused, by name; null: it is not
let known = null; // the verdict when the connection was lost
let filter = address.shown();
const form = document.documentElement.className; // kiosk or embed; "": a page by itself

/** A source as it is to be shown. */
function shownAs(source) {
  if (!source) return source;
  const now = judged(source, clock.now(), connection.lost !== null), was = held?.get(source.name);
  return was ? { ...now, value: was.value, updated_at: was.updated_at } : now;
}

function dirty(name) {
  changed.add(name);
  sections.touch(name);
  engine.wake();
}

function restructure() {
  stale.tree = stale.verdict = true;
  engine.wake();
}

/** Before parts are drawn: what all of them make together. `whole`: a second has passed. */
function before(whole) {
  look();
  if (!plant.loaded) return;
  if (whole) plant.remember(Date.now());
  if (whole) events.draw();
  if (whole) rejudge(plant.sources.keys());
  else rejudge(changed);
  changed.clear();
  if (stale.tree) showTree();
  if (stale.verdict || whole) showVerdict();
  stale.tree = stale.verdict = false;
}

/** Judges sources again: with another state of one, its section and the verdict are others. */
function rejudge(names) {
  for (const name of names) {
    const source = plant.sources.get(name), badge = source && judge(shownAs(source)), before = states.get(name);
    if (badge?.needs || badge?.rank < 9) stale.verdict = true; // its value is in there
    if (badge) tell(source, badge);
    else told.delete(name);
    if (badge === before) continue;
    if (before) events.touch();
    stale.tree = stale.verdict = true;
    if (badge) states.set(name, badge);
    else states.delete(name);
    sections.touch(name);
  }
}

/** Judges a job again, and tells people what needs attention. */
function rejudgeJob(job) {
  const badge = judgeJob(job), before = ofJobs.get(job.name);
  ofJobs.set(job.name, badge);
  if (badge.needs && before && badge !== before && badge.word !== "lost") announcer.say(`${job.title || job.name}: ${badge.word}`);
}

/** Tells people of a transition. That a value has become too old by the page's clock alone can wait: news may be on its way. */
function tell(source, badge) {
  const before = told.get(source.name), guessed = badge.state === "stale" && source.state !== "stale";
  if (badge === before || connection.lost !== null || (guessed && !connection.settled)) return;
  told.set(source.name, badge);
  if (!before || (before.state === "waiting" && badge.state === "ok")) return;
  announcer.say(`${source.title || source.name}: ${badge.state === "ok" ? "ok again" : badge.word}`);
}

function showTree() {
  const all = [...plant.sources.values()].map(shownAs), some = all.filter((source) => address.matches(filter, source, judge(source)));
  const filtered = Boolean(filter.q || filter.state || filter.section), shown = density(some.length);
  const focused = document.activeElement;
  sections.show(tree(some), shown, filtered);
  jobs.show([...plant.jobs.values()].filter((job) => address.matches({ ...filter, state: "" }, job, judgeJob(job))).map((job) => job.name));
  fill(ui.tools, { filter: filtered ? `${some.length} of ${all.length}: ${address.words(filter)}` : "" });
  for (const link of ui.tools.querySelectorAll(".choice a")) current(link, new URL(link.href).searchParams.get("density") === shown);
  ui.none.hidden = some.length > 0 || all.length === 0;
  if (all.length > 0) part("#bare")?.remove();
  if (focused !== document.activeElement && document.activeElement === document.body) ui.tools.querySelector("a").focus(); // it was filtered away
}

function current(link, is) {
  if (is) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function density(n) {
  if (filter.density) return filter.density;
  if (n > 100 || (form === "kiosk" && n > 12)) return "tiles";
  return n > 30 ? "rows" : "cards";
}

/** What the verdict is about: on a wall and in a frame it is the section that they show. */
function scoped(of, badge) {
  return !form || address.matches({ q: "", state: "", section: filter.section }, of, badge);
}

function showVerdict() {
  if (connection.lost === null || !known) { // what was last known stays as it was
    const all = [...plant.sources.values()], now = connection.lost === null ? all.map(shownAs) : all;
    known = verdict(now.filter((source) => scoped(source, judge(source))), [...plant.jobs.values()].filter((job) => scoped(job, judgeJob(job))), { now: clock.now(), operate });
  }
  const view = { ...known, whole: known.calm, as: "ok" };
  for (const part of view.parts) part.current = part.filter === filter.state && "true";
  if (filter.state) Object.assign(view, { rows: [], more: 0, quiet: [], known: [] });
  if (connection.lost !== null) {
    const rows = view.rows.map((row) => ({ ...row, act: "" })); // nothing can be done
    Object.assign(view, { state: "unknown", whole: `Not known since ${seconds(connection.lost)}`, as: "unknown", rest: "", then: known.parts, parts: [], rows });
  }
  const focused = document.activeElement;
  fill(ui.verdict, view);
  if (focused !== document.activeElement && document.activeElement === document.body) part("#main").focus(); // its row or count is gone
}

/** Looks at the connection. */
function look() {
  const was = connection.lost;
  connection = truth.look(stream.heardAt, held !== null);
  const since = stream.heardAt || Date.now(), formless = signedOut(connection.signedOut, since, renew);
  fill(ui.connection, connection);
  if ((was === null) !== (connection.lost === null)) {
    announcer.say(connection.lost === null ? "The server answers again" : "The connection to the server is lost: values may be old");
    stale.tree = stale.verdict = true;
    sections.touchAll();
    rejudge(plant.sources.keys());
  }
  lost(formless ? since : connection.lost, connection.again, () => stream.renew());
  if (held) band("paused", paused(), () => pause(false));
}

/** What is said while the page is paused. */
function paused() {
  const n = [...held].filter(([name, source]) => plant.sources.get(name) !== source).length;
  const more = n === 0 ? "" : ` ${plural(n, "source has", "sources have")} newer values.`;
  return { state: "paused", text: `Values are held since ${seconds(held.at)}`, more: `States and alerts stay live.${more}`, act: "Resume" };
}

function pause(on) {
  held = on ? Object.assign(new Map(plant.sources), { at: clock.now() }) : null;
  ui.pause.ariaPressed = String(on);
  if (!on) band("paused", null);
  sections.touchAll();
  restructure();
}

/** Requests everything anew, for another configuration. */
function renew() {
  plant.reload();
  stream.renew(); // the open stream would continue with the previous topics
}

const stream = subscribe("api/v1/stream", {
  parse,
  unpack: (body) => body.snapshots,
  onSnapshot(snapshot) {
    notice(snapshot);
    plant.apply(snapshot);
  },
  onReset: () => plant.reload(), // other sources, or another process: what people are to be told of that, the plant says
  onState(state, until) {
    truth.take(state, until);
    if (state === "live" || state === "polling") plant.reload(); // sources and jobs may have changed meanwhile
    engine.wake();
  },
});

ui.pause.hidden = false;
ui.pause.addEventListener("click", () => pause(held === null));
const input = ui.search.querySelector("input");
ui.search.addEventListener("submit", (e) => e.preventDefault());
input.addEventListener("input", () => address.go({ q: input.value }, filter.q !== "" && input.value !== ""));
address.follow(() => {
  filter = address.shown();
  if (input.value !== filter.q) input.value = filter.q;
  restructure();
});
setInterval(() => clock.wasSet() && plant.reload(), 1000); // the answer tells by how much
forms({ stays: true });
