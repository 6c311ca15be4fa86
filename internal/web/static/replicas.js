// The gateways that share a store: what each does, and what is wrong with them.

import * as clock from "./clock.js";
import { attribute, byId, clone, glyph, List, optional, text } from "./dom.js";
import { age, lasting, moment, printable } from "./format.js";

const glyphs = { ok: "ok", silent: "down", away: "down", differs: "stale" };

/** The state of a replica in one word. */
function condition({ state, same_config }) {
  return state === "ok" && !same_config ? "differs" : state;
}

/** What is wrong with the replicas until somebody mends it, a sentence each. */
function problems(replicas) {
  const names = replicas.map(({ name }) => name);
  const twins = new Set(names.filter((name, i) => names.indexOf(name) !== i));
  const named = (which) => replicas.filter(which).map(({ name }) => printable(name)).join(", ");
  const differing = named(({ same_config, other_zone }) => !same_config && !other_zone);
  const elsewhere = named(({ other_zone }) => other_zone);
  return [
    ...(differing ? [`${differing}: another configuration than this replica's. Replicas take over work only from those with the same one.`] : []),
    ...(elsewhere
      ? [`${elsewhere}: another local time zone than this replica's, and the configuration has timetables without zone. These replicas take over no work from each other.`]
      : []),
    ...[...twins].map((name) => `${printable(name)}: two replicas have this name. Give each its own by store.nats.name.`),
  ];
}

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

export class Replicas {
  #ui = byId("replicas", "replica-list", "replica-problem", "replicas-title");
  #list = new List(this.#ui["replica-list"], () => new ReplicaCard(), this.#ui["replicas-title"]);

  /** Shows replicas. `owned` has the titles of what each polls and starts, by its name. One that is alone and well is not shown. */
  show(replicas, owned) {
    const shown = replicas.length > 1 || replicas.some((replica) => condition(replica) !== "ok");
    this.#ui.replicas.hidden = !shown;
    this.#list.show(new Map(shown ? replicas.map((replica) => [replica.id, { replica, owned: owned.get(replica.name) ?? [] }]) : []));
    const wrong = problems(replicas);
    this.#ui["replica-problem"].hidden = wrong.length === 0;
    text(this.#ui["replica-problem"].querySelector("pre"), wrong.join("\n"));
  }
}

/** One replica. */
class ReplicaCard {
  node = clone("replica-card");
  #part = (selector) => this.node.querySelector(selector);
  #state = this.#part(".state");
  #since = this.#part(".since");

  update({ replica, owned }) {
    const { name, version, since, self, silent_since, sources, jobs } = replica;
    const state = condition(replica);
    this.node.dataset.state = state;
    this.node.dataset.replica = name;
    text(this.#part(".title"), printable(name));
    glyph(this.#state, glyphs[state] ?? "pending");
    text(this.#state.lastElementChild, state);
    this.#part(".self").hidden = !self;
    optional(this.#part(".silent"), silent_since && `silent for ${lasting(clock.now() - Date.parse(silent_since))}`);
    text(this.#part("summary"), `${count(sources, "source")}, ${count(jobs, "job")}`);
    text(this.#part(".owned"), owned.join(", ") || "none");
    text(this.#since, `started ${age(clock.now() - Date.parse(since))}`);
    attribute(this.#since, "datetime", since);
    this.#since.title = moment(new Date(since));
    text(this.#part(".version"), printable(version));
  }
}
