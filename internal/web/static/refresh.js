// Keeps a page about one thing true: when the stream brings a key that the page follows, the page is fetched again, and the parts
// that differ are changed where they are. So the focus, the selection, open details and the scroll position stay.
//
//	<body data-follow="job/backup alerts">     the keys
//	<header data-part="head">                  is changed; what is outside of parts stays as it was drawn
//	<svg data-own ...>                         belongs to a module: its attributes change, its children do not

import { Announcer } from "./announcer.js";
import { documentOf } from "./document.js";
import { lost as say } from "./lost.js";
import { notice } from "./notices.js";
import { signedOut } from "./sign-in.js";
import { subscribe } from "./tidewire.js";
import { Truth } from "./truth.js";

const PACE = 2_000; // ms between two requests
const root = document.documentElement.dataset.root;
const drawn = Date.parse(document.documentElement.dataset.now); // when the server drew the page

/** Changes `node` into what `other` is, which is of another document. */
function morph(node, other) {
  for (const { name } of [...node.attributes]) if (!other.hasAttribute(name) && !(name === "open" && node.localName === "details")) node.removeAttribute(name);
  for (const { name, value } of other.attributes) if (node.getAttribute(name) !== value && !(name === "open" && node.localName === "details")) node.setAttribute(name, value);
  if (node.dataset.own !== undefined || node === document.activeElement && "value" in node) return;
  const kept = new Map();
  for (const child of node.children) if (child.dataset?.key) kept.set(child.dataset.key, child);
  let at = node.firstChild;
  for (const next of [...other.childNodes]) {
    let same = next.dataset?.key ? kept.get(next.dataset.key) : at;
    if (same && (same.nodeType !== next.nodeType || same.nodeName !== next.nodeName || same.dataset?.key !== next.dataset?.key)) same = null;
    if (!same) {
      node.insertBefore(document.importNode(next, true), at);
      continue;
    }
    if (same !== at) node.insertBefore(same, at);
    if (same.nodeType !== Node.ELEMENT_NODE) {
      if (same.data !== next.data) same.data = next.data;
    } else if (!same.isEqualNode(next)) morph(same, next);
    at = same.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** What the page is about, and how that is; empty if it says neither. */
function headOf(document) {
  const state = document.querySelector(".head > .state");
  return state ? { title: document.querySelector("h1").textContent, state: state.dataset.state, word: state.textContent } : {};
}

export class Page {
  #on; #keys = new Set((document.body.dataset.follow ?? "").split(" "));
  #tag = ""; #asked = 0; #asking = false; #timer = 0; #dirty = false;
  #seen = new Set(); // keys that the stream has brought
  #truth = new Truth(); #lost = null; // how the connection is, and since when there is none
  #announcer = new Announcer(document.getElementById("announcer"));
  #home = null; // the part in which the focus was, while there is nothing that can have it
  stream;

  /**
   * `on` has what is called, all optional: prepare(document) before a document is compared with the page, changed() after the page
   * has changed, snapshot(snapshot) for each one of the stream, gone() when there is no such page any
   * more, which by default is shown.
   */
  constructor(on = {}) {
    this.#on = on;
    this.stream = subscribe(`${root}api/v1/stream`, {
      unpack: (body) => body.snapshots,
      onSnapshot: (snapshot) => this.#take(snapshot),
      onState: (state, until) => this.#truth.take(state, until),
      onReset: () => this.renew(),
    });
    document.addEventListener("visibilitychange", () => this.#dirty && this.renew());
    setInterval(() => this.#look(), 1000);
    this.#look();
  }

  /** Says how the connection is. Without one, nothing on the page is known to be true. */
  #look() {
    const { state, word, lost, again, signedOut: isOut } = this.#truth.look(this.stream.heardAt, false);
    const since = this.stream.heardAt || Date.now(), formless = signedOut(isOut, since, () => this.stream.renew());
    const node = document.querySelector(".connection");
    if (node && node.textContent !== word) {
      node.dataset.state = state;
      node.textContent = word;
    }
    if (this.#lost !== null && lost === null) this.renew(); // it may have missed something
    this.#lost = lost;
    if (document.getElementById("band")) say(formless ? since : lost, again, () => this.stream.renew());
  }

  #take(snapshot) {
    const isFirst = !this.#seen.has(snapshot.key);
    this.#seen.add(snapshot.key);
    notice(snapshot);
    this.#on.snapshot?.(snapshot);
    if (!this.#keys.has(snapshot.key)) return;
    // The first one is what the page was drawn of, unless it says that it is newer.
    if (isFirst && !(Date.parse(snapshot.updated_at) > drawn)) return;
    this.renew();
  }

  /** Has the page fetched again: soon, and when it is visible. */
  renew() {
    this.#dirty = true;
    if (document.hidden || this.#timer || this.#asking) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#renew();
    }, Math.max(0, this.#asked + PACE - Date.now()));
  }

  async #renew() {
    if (document.hidden) return;
    this.#dirty = false;
    this.#asking = true;
    this.#asked = Date.now();
    try {
      const { status, document: other, tag } = await documentOf(location.href.split("#")[0]);
      if (status === 200 && other) this.#show(other, tag);
      else if (status === 404 || status === 410) (this.#on.gone ?? (() => location.reload()))(); // that says what became of it
    } catch {
      this.#dirty = true; // the next snapshot asks again
    }
    this.#asking = false;
    if (this.#dirty) this.renew();
  }

  #show(other, tag) {
    if (tag && tag === this.#tag) return;
    this.#tag = tag;
    this.#on.prepare?.(other);
    document.title = other.title;
    const before = headOf(document), focused = document.activeElement, around = focused?.closest("[data-part]");
    for (const part of document.querySelectorAll("[data-part]")) {
      const newer = other.querySelector(`[data-part="${part.dataset.part}"]`);
      if (newer && !part.isEqualNode(newer)) morph(part, newer);
    }
    this.#tell(before, headOf(document));
    // What had the focus is gone, such as Cancel: what can be done instead has it now.
    if (!focused?.isConnected) this.#home = around;
    if (document.activeElement !== document.body) this.#home = null;
    if (this.#home) {
      const main = document.getElementById("main");
      main.tabIndex = -1;
      const to = this.#home.querySelector(".acts :is(a, button)") ?? this.#home.querySelector("a, button");
      (to ?? (this.#home.querySelector(".acts") ? null : main))?.focus();
    }
    this.#on.changed?.();
  }

  /** Tells people of a change of state, such as the end of a run, who do not see it. */
  #tell(before, { title, state, word }) {
    if (word === before.word || (before.state === "waiting" && state === "ok")) return;
    this.say(`${title}: ${word === "ok" ? "ok again" : word}`);
  }

  /** Has a sentence read to those who do not see the page. */
  say(sentence) {
    this.#announcer.say(sentence);
  }
}
