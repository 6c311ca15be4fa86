// The list of silences, each with a button that ends it, and the banner about receivers that cannot be told.

import { silenced, silenceOf, undelivered } from "./alert-text.js";
import * as api from "./api.js";
import { byId, clone, List, optional, text } from "./dom.js";
import { printable } from "./format.js";

export class Silences {
  #ui = byId("silences", "silence-list", "silence-problem", "delivery-problem", "sources");
  #list;

  /** `say` gets a sentence for people. */
  constructor(say) {
    this.#list = new List(this.#ui["silence-list"], () => new Row(say, (problem) => optional(this.#ui["silence-problem"], problem)), this.#ui.sources);
  }

  /**
   * Shows silences and receivers. `titleOf` is what people call what a silence is of, `may` reports whether whoever looks may
   * end it.
   */
  show({ silences, receivers }, titleOf, may) {
    const rows = silences.map((silence) => { // one without an id is a quiet time of the configuration
      const { id, of, until } = silence;
      return [id || `${of} ${until}`, { silence, title: titleOf(of), may: id !== "" && may(of) }];
    });
    this.#ui.silences.hidden = false; // what is hidden cannot keep the focus
    this.#list.show(new Map(rows));
    this.#ui.silences.hidden = rows.length === 0;
    if (rows.length === 0) optional(this.#ui["silence-problem"], "");
    const failing = receivers.filter(({ failing_since }) => failing_since);
    this.#ui["delivery-problem"].hidden = failing.length === 0;
    text(this.#ui["delivery-problem"].querySelector("pre"), failing.map(undelivered).join("\n"));
  }
}

/** One silence. */
class Row {
  node = clone("silence-row");
  #end = this.node.querySelector("button");
  #silence; #title;

  constructor(say, problem) {
    this.#end.addEventListener("click", async () => {
      problem("");
      try {
        await api.endSilence(this.#silence.id); // the row leaves with the stream
        say(silenced(this.#silence.of, this.#title, "no more"));
      } catch ({ message }) {
        problem(printable(message));
      }
    });
  }

  update({ silence, title, may }) {
    this.#silence = silence;
    this.#title = title;
    text(this.node.querySelector("b"), title);
    text(this.node.querySelector("span"), silenceOf(silence));
    this.#end.hidden = !may;
    this.#end.ariaLabel = `End the silence of ${title}`;
  }
}
