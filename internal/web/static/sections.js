// The sources of the overview: sections in sections, each with a list of cards, rows or tiles. What the server has drawn is
// taken over by data-key; what is missing is made from blanks.

import { arrange, blank, fill } from "./fill.js";
import { day, drawDay, drawTrend, trend } from "./trend.js";
import { judge } from "./judge.js";
import { card } from "./view.js";
import { shown } from "./words.js";

const OPENED = "tidewire.sections"; // in localStorage: which sections were opened or closed, by path
const NAMED = 4; // sources that are not ok, in the head of a room
const PACE = 1000; // ms between two drawings of a trend
const items = { cards: "card", rows: "row", tiles: "tile" };

export class Sections {
  #root; #engine; #source; #now; #trends;
  #density = "";
  #sections = new Map(); // details by path
  #marks = new WeakMap(); // details -> what its head says, as text
  #items = new Map(); // by name: {node, density, past and last (what its trend shows), drawn (when)}
  #chosen = remembered();
  #set = new WeakMap(); // details -> whether this module, or the server, has opened it
  #forced = false; // all are open, whatever was chosen

  /**
   * source(name) gives a source as it is to be shown, trends(name) its {trend, day} or undefined, and now() the time. root has what the
   * server has drawn.
   */
  constructor(root, engine, { source, trends, now }) {
    [this.#root, this.#engine, this.#source, this.#trends, this.#now] = [root, engine, source, trends, now];
    for (const node of root.querySelectorAll("details[data-key]")) this.#take(node);
    root.addEventListener("toggle", (e) => this.#toggled(e.target), true);
  }

  /** Shows exactly this tree of sections. With `open` all of them are open. */
  show(tree, density, open) {
    this.#density = density;
    this.#forced = open;
    const kept = new Set();
    arrange(this.#root, tree.map((section) => this.#section(section, kept)));
    for (const [name, { node }] of this.#items) {
      if (kept.has(name)) continue;
      this.#engine.drop(node);
      this.#items.delete(name);
    }
  }

  /** Says that a source has changed. */
  touch(name) {
    const item = this.#items.get(name);
    if (item) this.#engine.touch(item.node);
  }

  /** Says that all have. */
  touchAll() {
    for (const { node } of this.#items.values()) this.#engine.touch(node);
  }

  /** Takes over a section that the server has drawn, with its items. */
  #take(node) {
    this.#sections.set(node.dataset.key.slice("section/".length), node);
    this.#set.set(node, node.open);
    const list = node.querySelector(":scope > ul");
    for (const child of list?.children ?? []) {
      const name = child.dataset.key?.slice("source/".length);
      if (name) this.#hold(name, child, list.className);
    }
  }

  #section(section, kept) {
    const { path, sources, parts } = section;
    let node = this.#sections.get(path);
    if (!node) {
      node = blank("section");
      node.dataset.key = `section/${path}`;
      this.#sections.set(path, node);
    }
    this.#head(node, section);
    const [list, below] = node.querySelectorAll(":scope > ul, :scope > .parts");
    if (list.className !== this.#density) list.className = this.#density;
    arrange(list, sources.map(({ name }) => this.#item(name, kept)));
    arrange(below, parts.map((part) => this.#section(part, kept)));
    return node;
  }

  #head(node, section) {
    const { path, depth, sources, open } = section, room = this.#density === "tiles" && sources.length > 0 && section.parts.length === 0;
    const is = this.#forced || (this.#chosen[path] ?? open);
    if (node.open !== is) node.open = is;
    this.#set.set(node, is);
    const view = head(section, room), mark = JSON.stringify(view);
    if (this.#marks.get(node) === mark) return;
    this.#marks.set(node, mark);
    node.className = `section depth-${depth}${room ? " room" : ""}`;
    node.dataset.state = view.state;
    fill(node.querySelector("summary"), view);
  }

  #item(name, kept) {
    kept.add(name);
    const item = this.#items.get(name);
    if (item?.density === this.#density) return item.node;
    if (item) this.#engine.drop(item.node);
    const node = blank(items[this.#density]);
    node.dataset.key = `source/${name}`;
    return this.#hold(name, node, this.#density).node;
  }

  #hold(name, node, density) {
    const item = { node, density, past: null, last: null, drawn: -Infinity };
    this.#items.set(name, item);
    this.#engine.add(node, () => this.#draw(name, item), density !== "tiles");
    return item;
  }

  #draw(name, item) {
    const source = this.#source(name), now = this.#now();
    if (!source) return;
    const view = card(source, now);
    view.rest = view.table || view.text || view.value ? [] : view.fields;
    fill(item.node, view);
    if (item.density === "tiles" || now - item.drawn < PACE) return;
    const past = this.#trends(name), points = past ? [...past.trend.slice(0, -1), view.number ?? past.trend.at(-1)] : [];
    if (item.past === past && item.last === points.at(-1)) return;
    Object.assign(item, { past, last: points.at(-1), drawn: now });
    const line = item.node.querySelector(".trend"), bar = item.node.querySelector(".day");
    const drawn = past && trend(points, source.show?.decimals);
    if (line) {
      drawTrend(line, drawn ?? { line: "" });
      fill(line, drawn ?? {});
      line.classList.toggle("grey", view.dim || source.state === "failing");
    }
    if (bar) drawDay(bar, day(past?.day ?? ""));
  }

  /** Remembers what somebody has opened or closed. */
  #toggled(node) {
    const path = node.dataset?.key?.slice("section/".length);
    if (path === undefined || this.#set.get(node) === node.open) return;
    this.#set.set(node, node.open);
    if (this.#forced) return; // while something is searched for
    this.#chosen[path] = node.open;
    try {
      localStorage.setItem(OPENED, JSON.stringify(this.#chosen));
    } catch {
      // It is so until the page is left.
    }
  }
}

const isBad = (source) => judge(source).state !== "ok";
const dot = (source) => ({ state: judge(source).state });
const named = (source) => ({ ...dot(source), title: shown(source.title, 120) || source.name, word: judge(source).word });

/** What the head of a section says. In a room each source is a dot, and the first of those that are not ok are named. */
function head({ name, state, ok, total, counts, sources, depth }, room) {
  const view = { name, state, depth, of: ok === total ? `${total} ok` : `${ok} of ${total} ok` };
  if (!room) return { ...view, counts };
  const bad = sources.filter(isBad), more = bad.length - NAMED;
  return { ...view, dots: sources.map(dot), bad: bad.slice(0, NAMED).map(named), others: more > 0 ? `${more} more` : "" };
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(OPENED)) ?? {};
  } catch {
    return {};
  }
}
