// What a page says of the gateway itself, above everything: that a change of the configuration is not in effect, that state cannot be
// stored or is not forwarded, and what is wrong between replicas. All of it comes by the stream.

import { band } from "./band.js";
import { shown } from "./words.js";

const root = document.documentElement.dataset.root;
let config = null, replicas = [];

/** Takes a snapshot of the stream, of whatever it is. */
export function notice(snapshot) {
  if (snapshot.key === "config") config = snapshot;
  else if (snapshot.key === "replicas") replicas = snapshot.replicas;
  else return;
  show("config", configuration());
  show("store", store());
  show("forward", forwarding());
  show("replicas", between(), "Replicas", () => location.assign(`${root}replicas`));
}

function show(name, view, act = "", press = undefined) {
  if (document.getElementById("band")) band(name, view && { ...view, act }, press);
}

const sentence = (text) => (/[.?!…]$/.test(text) ? text : `${text}.`);

/** That the file has a fault: the first of its problems, and how many more there are. */
function configuration() {
  if (!config?.error) return null;
  const lines = config.error.split("\n").filter((line) => /\S/.test(line)), file = config.file.split("/").at(-1);
  const others = lines.filter((line) => /:\d+:\d+: /.test(line)).length - 1;
  const more = others > 0 ? ` ${others} more: tidewire check tells all.` : "";
  return { state: "failing", text: `${file || "The configuration"} is not in effect`, more: `${sentence(shown(lines[0], 400))}${more} The previous configuration stays.` };
}

/** That state cannot be stored: for replicas, others go on. */
function store() {
  if (!config?.store_error) return null;
  const self = replicas.find((replica) => replica.self);
  const text = !self ? "State cannot be stored" : self.state === "ok" ? "This replica does not reach the store" : "This replica has lost the store";
  const rest = !self ? "Sources and jobs go on, and what happens is kept in memory until it can."
    : self.state === "ok" ? "If that lasts, the others take over what it does."
    : "It polls nothing and starts no runs, and what it shows may be old. Those that reach the store do its work.";
  return { state: "failing", text, more: `${sentence(shown(config.store_error, 300))} ${rest}` };
}

/** That states do not reach the program that they are forwarded to. */
function forwarding() {
  if (!config?.forward_error) return null;
  return { state: "stale", text: "States are not forwarded", more: `${sentence(shown(config.forward_error, 300))} The newest ones will be as soon as that is possible.` };
}

/** What is wrong between replicas until somebody mends it. */
function between() {
  const names = replicas.map(({ name }) => name), twins = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  const named = (which) => replicas.filter(which).map(({ name }) => shown(name, 60)).join(", ");
  const differing = named((one) => !one.same_config && !one.other_zone), elsewhere = named((one) => one.other_zone);
  const silent = named(({ state }) => state === "silent");
  const said = [
    ...(silent ? [`Nothing is heard of ${silent}.`] : []),
    ...(differing ? [`${differing}: another configuration than this replica's, so they take over no work from each other.`] : []),
    ...(elsewhere ? [`${elsewhere}: another local time zone, and the configuration has timetables without zone.`] : []),
    ...(twins.length ? [`${twins.map((name) => shown(name, 60)).join(", ")}: two replicas have this name. Give each its own by store.nats.name.`] : []),
  ];
  return said.length ? { state: "stale", text: "Replicas differ or are missing", more: said.join(" ") } : null;
}
