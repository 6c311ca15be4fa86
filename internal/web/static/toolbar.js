// The head of the page: the number of sources and jobs in each state and with firing alerts (also as filters), search,
// and pause.

import { byId, clone, element, glyph, text } from "./dom.js";

const filters = { all: "All", ok: "ok", stale: "stale", failing: "failing", alert: "alert" };
const glyphs = { ok: "ok", stale: "stale", failing: "failing", alert: "bell" };

export class Toolbar {
  /** Whether the page is paused. */
  paused = false;

  #ui = byId("filters", "search", "pause");
  #counts = new Map();
  #changed;
  #filter = "all";

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

  /** Stops or resumes the page. */
  pause(paused) {
    this.paused = paused;
    this.#ui.pause.classList.toggle("on", paused);
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

  /** Reports whether the person wants to see a source or a job, which has that name and title, in its views. */
  wants({ name, title }, views) {
    const found = `${name} ${title ?? ""}`.toLowerCase().includes(this.query);
    return found && (this.#filter === "all" || views.includes(this.#filter));
  }

  /**
   * Counts sources and jobs by their views, and those that are `pressing` in the title. Null before any are known.
   */
  update(items) {
    const counts = { all: items?.length };
    for (const view of items?.flatMap(({ views }) => views) ?? []) counts[view] = (counts[view] ?? 0) + 1;
    for (const [name, button] of this.#counts) {
      text(button.querySelector("b"), items ? String(counts[name] ?? 0) : "–");
      button.ariaPressed = String(name === this.#filter);
      button.classList.toggle("none", !counts[name]);
    }
    const bad = items?.filter(({ pressing }) => pressing).length;
    document.title = bad ? `(${bad}) Tidewire` : "Tidewire";
  }

  #filterButton(name, word) {
    const button = clone("filter");
    button.dataset.state = name;
    if (name === "all") button.querySelector("svg").remove();
    else glyph(button, glyphs[name]);
    button.append(element("b"), " ", element("span", {}, word));
    button.addEventListener("click", () => {
      this.#filter = this.#filter === name ? "all" : name;
      this.#changed();
    });
    this.#counts.set(name, button);
    return button;
  }
}
