// One source: its value, how it went lately, and how far to trust it.

import { now } from "./api.js";
import { clone, glyph, optional, text } from "./dom.js";
import { age, duration, moment, printable, scalar } from "./format.js";
import { sparkline } from "./sparkline.js";
import { headline } from "./store.js";
import { isEmpty, showValue } from "./value-view.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class SourceCard {
  node = clone("source-card");
  #part = (selector) => this.node.querySelector(selector);
  #title = this.#part(".title");
  #state = this.#part(".state");
  #alert = this.#part(".alert");
  #reading = this.#part(".reading");
  #figure = this.#part(".figure");
  #unit = this.#part(".unit");
  #gauge = this.#part(".gauge");
  #trend = this.#part(".trend");
  #spark = this.#part(".spark");
  #summary = this.#part(".summary");
  #fields = this.#part(".fields");
  #error = this.#part(".error");
  #age = this.#part(".age");
  #next = this.#part(".next");

  /** Shows a source with the samples that its sparkline draws. */
  update({ source, samples }) {
    const { state, show = {} } = source;
    this.node.dataset.state = state;
    this.node.dataset.name = source.name;
    text(this.#title, printable(source.title || source.name));
    glyph(this.#state, state);
    text(this.#state.lastElementChild, state);
    this.#warning(source);
    this.#value(source, show);
    text(this.#summary, sparkline(this.#spark, samples, show));
    this.#trend.hidden = this.#summary.textContent === "";
    optional(this.#error, source.error && printable(source.error));
    this.#times(source);
  }

  #warning({ alert }) {
    this.#alert.hidden = !alert;
    if (!alert) return;
    this.#alert.dataset.alert = alert.state;
    const since = Date.parse(alert.since);
    const word = { firing: "Alert", pending: "Alert pending" }[alert.state] ?? "Alert unknown";
    text(this.#alert.lastElementChild, alert.error ? `${word}: ${printable(alert.error)}` : `${word} for ${duration(now() - since)}`);
    this.#alert.title = moment(new Date(since));
  }

  #value(source, show) {
    const { big, rest } = headline(source);
    const alone = big === undefined && !isEmpty(rest);
    this.#reading.hidden = alone;
    const before = this.#figure.textContent;
    const after = text(this.#figure, scalar(big, show.decimals));
    this.#figure.dataset.length = typeof big === "string" && after.length > 12 ? "long" : "short";
    text(this.#unit, big === undefined ? "" : show.unit);
    if (before && before !== "–" && before !== after) this.#flash();

    this.#fields.hidden = isEmpty(rest);
    this.#fields.classList.toggle("alone", alone);
    showValue(this.#fields, rest);

    const { min, max } = show;
    this.#gauge.hidden = !(typeof big === "number" && min < max);
    if (!this.#gauge.hidden) {
      const part = Math.min(1, Math.max(0, (big - min) / (max - min)));
      this.#gauge.firstElementChild.style.inlineSize = `${(part * 100).toFixed(1)}%`;
    }
  }

  #flash() {
    if (calm.matches) return;
    this.#figure.animate([{ color: "var(--accent)" }, {}], { duration: 900, easing: "ease-out" });
  }

  #times({ updated_at, next_at, state }) {
    if (updated_at) {
      text(this.#age, age(now() - Date.parse(updated_at)));
      this.#age.dateTime = updated_at;
      this.#age.title = moment(new Date(updated_at));
    } else {
      text(this.#age, "no value yet");
    }
    const left = next_at ? Date.parse(next_at) - now() : NaN;
    const word = state === "ok" ? "next" : "next try";
    text(this.#next, Number.isNaN(left) ? "" : left <= 500 ? "polling" : `${word} in ${duration(left)}`);
  }
}
