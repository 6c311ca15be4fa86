// Announces changes to screen readers: only transitions, collected so that a reader is interrupted at most once in five
// seconds.

import { shown } from "./words.js";

const PAUSE = 5_000; // ms between two announcements
const MOST = 300; // characters of a sentence

export class Announcer {
  #node; #waiting = []; #timer = 0;

  constructor(node) {
    this.#node = node;
  }

  /** Announces a sentence, soon. */
  say(sentence) {
    this.#waiting.push(shown(sentence, MOST));
    if (!this.#timer) this.#speak();
  }

  #speak() {
    this.#timer = 0;
    if (this.#waiting.length === 0) return;
    const [first, second, third, ...others] = this.#waiting.splice(0);
    const sentences = [first, second, third].filter(Boolean);
    if (others.length) sentences.push(`and ${others.length} more changes`);
    this.#node.textContent = sentences.join("; ");
    this.#timer = setTimeout(() => this.#speak(), PAUSE);
  }
}
