// The dialog about the alert of one source or job: acknowledging it, silencing it for a while, and ending that.

import { handled, sentence, silenced, silenceOf, toldOf } from "./alert-text.js";
import * as api from "./api.js";
import * as clock from "./clock.js";
import { clone, element, optional, text } from "./dom.js";
import { moment, printable } from "./format.js";
import { fires } from "./views.js";

const HOUR = 3_600_000; // ms

/** Tomorrow at eight in the morning, by the time zone of this browser. */
function tomorrow() {
  const at = new Date(clock.now());
  at.setDate(at.getDate() + 1);
  at.setHours(8, 0, 0, 0);
  return at;
}

/** A time as an input of the type datetime-local has it. */
function local(at) {
  const two = (n) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

export class AlertDialog {
  #dialog = clone("alert-form");
  #part = (selector) => this.#dialog.querySelector(selector);
  #problem = this.#part(".problem");
  #invalid = this.#part(".invalid");
  #custom = this.#part("[name=at]");
  #of = this.#part("[name=of]");
  #reason = this.#part("[name=reason]");
  #close = this.#part("[value=close]");
  #subject; #say; #busy = false;

  /** Opens it; `say` gets a sentence for people, `closed` is called at the end. */
  constructor(subject, say, closed) {
    this.#say = say;
    this.#custom.value = local(new Date(clock.now() + 4 * HOUR));
    const until = tomorrow();
    text(this.#part(".tomorrow"), `Until tomorrow, ${until.getHours()}:00`);
    this.#part(".tomorrow").title = moment(until);
    const choose = () => { this.#part(".custom").hidden = this.#choice !== "custom"; };
    this.#part(".choices").addEventListener("change", choose);
    const on = (value, f) => this.#part(`button[value=${value}]`).addEventListener("click", f);
    on("close", () => this.#dialog.close());
    on("acknowledge", () => this.#acknowledge());
    on("end", () => this.#end());
    this.#part("form").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#silence();
    });
    this.#dialog.addEventListener("close", () => {
      this.#dialog.remove();
      closed();
    });
    this.update(subject);
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  /** Shows what has become of the alert meanwhile. */
  update(subject) {
    const { title, alert, silence } = this.#subject = subject;
    text(this.#part("h2"), alert ? `Alert of ${title}` : `Silence ${title}`);
    optional(this.#part(".now"), alert ? sentence(alert) : "");
    optional(this.#part(".handled"), handled(alert, silence));
    optional(this.#part(".told"), fires(alert) ? toldOf(this.#subject.told) : "");
    this.#offer([subject, ...subject.wider]);
    const focused = document.activeElement;
    this.#part("fieldset").hidden = Boolean(silence);
    this.#part(".wide").hidden = Boolean(silence) || this.#of.length < 2;
    this.#part("button.run").hidden = Boolean(silence);
    this.#part("[value=end]").hidden = !silence?.id;
    text(this.#part("[value=end]"), silence?.title && silence.of !== this.#subject.key ? `End the silence: ${silence.title}` : "End the silence");
    this.#part("[value=acknowledge]").hidden = !fires(alert) || Boolean(alert.acknowledged);
    this.#part(".why").hidden = Boolean(silence) && this.#part("[value=acknowledge]").hidden;
    if (this.#dialog.contains(focused) && !focused.checkVisibility()) this.#close.focus();
  }

  /** Adds what can be silenced. What was offered stays, as it may be chosen; all alerts come last. */
  #offer(choices) {
    for (const { key, title } of choices) {
      if ([...this.#of.options].some(({ value }) => value === key)) continue;
      this.#of.insertBefore(element("option", { value: key }, title), this.#of.querySelector("[value=all]"));
    }
  }

  get #choice() {
    return this.#part("[name=until]:checked").value;
  }

  #silence() {
    const { silence } = this.#subject;
    if (silence) return;
    const title = this.#of.selectedOptions[0].textContent;
    const until = { hour: null, tomorrow: tomorrow(), custom: new Date(this.#custom.value) }[this.#choice];
    const mistake = until && !(until.getTime() > clock.now()) ? "Enter a time to come." : "";
    this.#custom.setAttribute("aria-invalid", String(mistake !== ""));
    optional(this.#invalid, mistake);
    if (mistake) return this.#custom.focus();
    const what = { of: this.#of.value, reason: this.#reason.value.trim() };
    this.#attempt(async () => {
      const made = await api.silence(until ? { ...what, until: until.toISOString() } : { ...what, for: "1h" });
      return silenced(what.of, title, silenceOf(made));
    });
  }

  #acknowledge() {
    const { key, title } = this.#subject;
    this.#attempt(async () => {
      await api.acknowledge(key, this.#reason.value.trim());
      return `The alert of ${title} is acknowledged`;
    });
  }

  #end() {
    const { key, title, silence } = this.#subject;
    this.#attempt(async () => {
      await api.endSilence(silence.id);
      return silenced(silence.of ?? key, silence.title ?? title, "no more");
    });
  }

  /** Makes a request, which returns a sentence that says what was done. The new state comes with the stream. */
  async #attempt(request) {
    if (this.#busy) return;
    this.#busy = true;
    optional(this.#problem, "");
    try {
      this.#say(await request());
      this.#dialog.close();
    } catch (problem) {
      const details = (problem.errors ?? []).map(({ detail }) => detail);
      optional(this.#problem, printable([problem.message, ...details].join(": ")));
    }
    this.#busy = false;
  }
}
