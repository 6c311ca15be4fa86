// The head of the page: the connection, how many sources are in which state
// (and only those on request), search, and pause.

import { byId, clone, element, glyph, text } from "./dom.js";
import { duration } from "./format.js";

const filters = { all: "All", ok: "ok", stale: "stale", failing: "failing" };
const words = { connecting: "Connecting", live: "Live", polling: "Polling", reconnecting: "Reconnecting", "signed-out": "Signed out" };
const glyphs = { connecting: "running", live: "live", polling: "pending", reconnecting: "down", "signed-out": "locked" };

export class Toolbar {
  /** Whether the page is to stand still. */
  paused = false;

  #ui = byId("connection", "filters", "search", "pause");
  #counts = new Map();
  #changed;
  #filter = "all";
  #connection = { state: "connecting" };

  /** `changed` is called when the person asks for another view. */
  constructor(changed) {
    this.#changed = changed;
    for (const [name, word] of Object.entries(filters)) this.#ui.filters.append(this.#filterButton(name, word));
    this.#ui.search.addEventListener("input", changed);
    this.#ui.search.addEventListener("keydown", (e) => e.key === "Escape" && this.clear());
    this.#ui.pause.addEventListener("click", () => this.pause(!this.paused));
    document.addEventListener("keydown", (e) => {
      const typing = e.target.closest("input, textarea, select, dialog");
      if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || typing) return;
      e.preventDefault();
      this.#ui.search.select();
    });
  }

  /** Remembers the connection's state; `until` is when the next attempt begins, in ms. */
  connection(state, until) {
    this.#connection = { state, until };
  }

  /** Stops or resumes the page. */
  pause(paused) {
    this.paused = paused;
    this.#ui.pause.ariaPressed = String(paused);
    glyph(this.#ui.pause, paused ? "resume-glyph" : "pause-glyph");
    text(this.#ui.pause.lastElementChild, paused ? "Resume" : "Pause");
    this.#changed();
  }

  /** Shows everything again. */
  clear() {
    this.#filter = "all";
    this.#ui.search.value = "";
    this.#changed();
  }

  /** The words that are searched for. */
  get query() {
    return this.#ui.search.value.trim().toLowerCase();
  }

  /** Reports whether the person wants to see an item; jobs have no state to filter by. */
  wants({ name, title, state = "all" }) {
    if (state !== "all" && this.#filter !== "all" && state !== this.#filter) return false;
    return `${name} ${title ?? ""}`.toLowerCase().includes(this.query);
  }

  /** Shows the counts of sources by state, and the connection. */
  update(counts) {
    for (const [name, button] of this.#counts) {
      text(button.querySelector("b"), String(counts[name] ?? 0));
      button.ariaPressed = String(name === this.#filter);
      button.classList.toggle("none", !counts[name]);
    }
    const bad = (counts.failing ?? 0) + (counts.stale ?? 0);
    document.title = bad ? `(${bad}) Tidewire` : "Tidewire";

    const { state, until } = this.#connection;
    const node = this.#ui.connection;
    const seconds = Math.ceil((until - Date.now()) / 1000);
    const wait = seconds > 0 ? ` in ${duration(seconds * 1000)}` : "";
    node.dataset.state = state;
    glyph(node, glyphs[state]);
    text(node.lastElementChild, words[state] + wait);
  }

  #filterButton(name, word) {
    const button = clone("filter");
    button.dataset.state = name;
    if (name === "all") button.querySelector("svg").remove();
    else glyph(button, name);
    button.append(element("b"), ` ${word}`);
    button.addEventListener("click", () => {
      this.#filter = this.#filter === name ? "all" : name;
      this.#changed();
    });
    this.#counts.set(name, button);
    return button;
  }
}
