// The alert of a source or a job on its card: how long it has fired and how bad that is, who has silenced or acknowledged
// it, and the button that leads to its dialog.

import { AlertDialog } from "./alert-dialog.js";
import { handled, sentence } from "./alert-text.js";
import { attribute, optional, text } from "./dom.js";
import { moment } from "./format.js";
import { fires } from "./views.js";

export class AlertView {
  #card; #chip; #handled; #button; #say;
  #subject; #dialog = null;

  /** `card` is the element of the card, `say` gets a sentence for people. */
  constructor(card, say) {
    this.#card = card;
    this.#say = say;
    this.#chip = card.querySelector(".alert");
    this.#handled = card.querySelector(".handled");
    this.#button = card.querySelector(".bell");
    this.#button.addEventListener("click", () => {
      this.#dialog = new AlertDialog(this.#subject, this.#say, () => { this.#dialog = null; });
    });
  }

  /**
   * Shows an alert, null if it is clear. `subject` has the `key` and the `title` of what it is of, the `alert`, who was `told`
   * of it, the `silence` that holds for it, if one does, and what can be silenced in its place as `wider`; `offered` says whether whoever looks may do something about it.
   */
  update(subject, offered) {
    const { title, alert, silence } = this.#subject = subject;
    this.#chip.hidden = !alert;
    attribute(this.#card, "data-alert", alert?.state ?? null);
    attribute(this.#card, "data-severity", alert?.severity ?? null);
    this.#card.classList.toggle("known", Boolean(silence || alert?.acknowledged));
    if (alert) {
      const since = Date.parse(alert.since);
      text(this.#chip.lastElementChild, sentence(alert));
      this.#chip.title = Number.isNaN(since) ? "" : `since ${moment(new Date(since))}`;
    }
    optional(this.#handled, handled(alert, silence));
    if (!offered && document.activeElement === this.#button) this.#card.querySelector(".refresh, .run").focus();
    this.#button.hidden = !offered;
    this.#button.ariaLabel = fires(alert) ? `Silence or acknowledge the alert of ${title}` : `Silence ${title}`;
    this.#button.title = fires(alert) ? "Silence or acknowledge" : "Silence";
    this.#dialog?.update(subject);
  }
}
