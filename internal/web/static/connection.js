// The connection: its state, how long the server has been silent, and how many changes a paused page holds back.

import { byId, glyph, text } from "./dom.js";
import { duration, lasting } from "./format.js";

const SILENCE = 32_000; // ms in which two heartbeats were due: one every 15 s, to within a second

const words = {
  connecting: "Connecting", live: "Live", polling: "Polling", reconnecting: "Reconnecting", "signed-out": "Signed out",
  silent: "No answer", paused: "Paused",
};
const glyphs = {
  connecting: "running", live: "live", polling: "pending", reconnecting: "down", "signed-out": "locked",
  silent: "down", paused: "pause-glyph",
};

export class Connection {
  #node = byId("connection").connection;
  #state = "connecting"; #until;
  #lost = false;
  #say;

  /** `say` gets a sentence for people. */
  constructor(say) {
    this.#say = say;
  }

  /** Takes the state of the stream; `until` is when the next attempt begins, in ms. */
  take(state, until) {
    this.#state = state;
    this.#until = until;
  }

  /**
   * Shows how it is, and returns whether what the page shows may be old. `heardAt` is the server's last sign of life, 0 before the
   * first; `held` how many cards a page that stands still holds back, null while it does not.
   */
  show(heardAt, held) {
    const going = this.#state === "live" || this.#state === "polling";
    const silence = heardAt > 0 ? Date.now() - heardAt : 0;
    const silent = silence > SILENCE;
    const state = going && silent ? "silent" : going && held !== null ? "paused" : this.#state;
    this.#node.dataset.state = state;
    glyph(this.#node, glyphs[state]);
    text(this.#node.lastElementChild, words[state] + this.#details(state, silent ? ` for ${lasting(silence)}` : "", held));
    // Without the server nothing on the page is current. A page that was hidden for a while has not listened: that is
    // not a loss.
    const lost = state === "silent" || state === "reconnecting";
    const old = lost || (silent && state === "connecting");
    this.#node.classList.toggle("lost", old);
    if (state !== "connecting") this.#announce(lost, state, silent);
    return old;
  }

  #details(state, silence, held) {
    const seconds = Math.ceil((this.#until - Date.now()) / 1000);
    const wait = seconds > 0 ? ` in ${duration(seconds * 1000)}` : "";
    switch (state) {
      case "silent": return silence;
      case "paused": return held ? `, ${held} ${held === 1 ? "card has" : "cards have"} changed` : "";
      case "reconnecting": return wait + (silence && `, no answer${silence}`);
    }
    return wait;
  }

  /** Announces that the connection is lost, or back; for a user who is signed out the page shows it differently. */
  #announce(lost, state, silent) {
    if (lost === this.#lost) return;
    this.#lost = lost;
    if (state === "signed-out") return;
    this.#say(lost ? `${silent ? "No answer from the server" : "The connection to the server is lost"}: values may be old` : "The server answers again");
  }
}
