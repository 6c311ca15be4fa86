// What happened recently, beside the sources: the newest events that are news. Package view has the same in Go.

import * as clock from "./clock.js";
import { blank, fill } from "./fill.js";
import { judgeRun } from "./judge.js";
import { jobHref, sourceHref } from "./view.js";
import { clock as timeOfDay, elapsed, shown, took } from "./words.js";

const PAUSE = 5_000; // ms between two requests
const MOST = 8; // that are shown
const kinds = "state,alert,run,reload,start,store,replica";

const asked = /^(\w+: )?[A-Z]+ https?:\/\/\S+: /; // what was requested, before why that failed

/** What a silence is of, for people. */
function what(of = "") {
  const [, kind, name] = /^(\w+)\/(.*)$/.exec(of) ?? [];
  return of === "all" ? "Everything" : kind === "section" ? `Everything in ${name}` : kind === "upstream" ? `Everything of ${name}` : shown(name ?? "", 120);
}

/** A view of an event; null: it is no news. */
export function recent(event, now) {
  const { id, kind, source, job, run, title = "", data } = event, at = Date.parse(event.time);
  const href = source ? sourceHref(source) : job ? jobHref(job) : "";
  const view = { key: `event/${id}`, state: "waiting", href, title: shown(title, 120), text: shown(event.text, 200), time: event.time, ago: elapsed(at, now), clock: timeOfDay(at, now) };
  switch (kind) {
    case "state": return { ...view, state: data.state, text: shown((event.text ?? "").replace(asked, "$1"), 200) };
    case "alert": {
      const state = { firing: "alert", resolved: "ok", unsilenced: "alert" }[data.state] ?? data.state;
      const text = data.state === "unsilenced" ? "no longer silenced"
        : data.state === "silenced" && data.until ? shown(`silenced until ${timeOfDay(Date.parse(data.until), now)}${data.reason ? `: ${data.reason}` : ""}`, 200)
        : view.text;
      return { ...view, state, text, title: view.title || what(data.of) };
    }
    case "run":
      if (data.status === "queued" || data.status === "cancelling") return null; // its end is the news
      return {
        ...view, state: judgeRun(data).state, href: run ? `runs/${run}` : href,
        text: (data.lane ? `${shown(data.lane, 80)}: ` : "") + (data.seconds > 0 ? view.text.replace(/ after .*/s, "") + ` after ${took(data.seconds * 1000)}` : view.text),
      };
    case "reload": return { ...view, title: "Configuration", state: event.text.startsWith("refused") ? "failing" : view.state };
    case "start": return { ...view, title: "Tidewire" };
    case "store": return { ...view, title: "State", state: data.state };
    case "replica": return { ...view, title: "Replicas", state: data.state === "died" || data.state === "away" ? "lost" : view.state };
    default: return null;
  }
}

/** The list of what happened. */
export class Recent {
  #node; #events = null; #asked = -PAUSE; #timer = 0;

  constructor(node) {
    this.#node = node;
  }

  /** Something has happened that may be news. */
  touch() {
    if (this.#timer || document.hidden) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#ask();
    }, Math.max(500, this.#asked + PAUSE - performance.now()));
  }

  async #ask() {
    this.#asked = performance.now();
    try {
      const answer = await fetch(`${document.documentElement.dataset.root}api/v1/events?limit=40&kind=${kinds}`, { headers: { Accept: "application/json" } });
      if (answer.ok) this.#events = (await answer.json()).events;
    } catch { /* the connection says so */ }
    this.draw();
  }

  /** Writes the list, whose ages change as time goes by. */
  draw() {
    if (!this.#events) return;
    const now = clock.now(), views = this.#events.map((event) => recent(event, now)).filter(Boolean).slice(0, MOST);
    const had = new Map([...this.#node.children].map((node) => [node.dataset.key, node]));
    const nodes = views.map((view) => {
      const node = had.get(view.key) ?? blank("event");
      node.dataset.key = view.key;
      fill(node, view);
      return node;
    });
    if (nodes.some((node, i) => this.#node.children[i] !== node) || nodes.length !== this.#node.children.length) this.#node.replaceChildren(...nodes);
  }
}
