// One source: its value, its recent history, its state, and Refresh.

import * as api from "./api.js";
import * as clock from "./clock.js";
import { clone, glyph, optional, text } from "./dom.js";
import { age, duration, excerpt, lasting, moment, printable, scalar, timeOfDay } from "./format.js";
import { sparkline } from "./sparkline.js";
import { headline, magnitude } from "./store.js";
import { isEmpty, showValue } from "./value-view.js";

const FIGURE = 200; // characters of a text that is shown as the value

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class SourceCard {
  node = clone("source-card");
  #part = (selector) => this.node.querySelector(selector);
  #title = this.#part(".title");
  #state = this.#part(".state");
  #alert = this.#part(".alert");
  #value = this.#part(".value");
  #figure = this.#part(".figure");
  #unit = this.#part(".unit");
  #gauge = this.#part(".gauge");
  #trend = this.#part(".trend");
  #spark = this.#part(".spark");
  #summary = this.#part(".summary");
  #fields = this.#part(".fields");
  #error = this.#part(".error");
  #age = this.#part(".age");
  #problem = this.#part(".problem");
  #next = this.#part(".next");
  #refresh = this.#part(".refresh");

  #source; #refusal = "";
  #split; // its value, and the parts of that
  #asking = false; // for a new value
  #refused = 0; // by the limit of the upstream, until then
  #changed; #say;

  /** `changed` is called when there is something to draw; `say` gets a sentence for people. */
  constructor(changed, say) {
    this.#changed = changed;
    this.#say = say;
    this.#refresh.addEventListener("click", () => this.#press());
  }

  /**
   * Shows a source with the samples that its sparkline draws. `refusal` says why whoever
   * looks may not refresh it, if so.
   */
  update({ source, samples, refusal }) {
    const { state, show = {} } = source;
    this.#source = source;
    this.#refusal = refusal;
    this.node.dataset.state = state;
    this.node.dataset.name = source.name;
    text(this.#title, printable(source.title || source.name));
    const fires = state === "ok" && source.alert?.state === "firing"; // a good poll can fire an alert
    glyph(this.#state, fires ? "bell" : state);
    text(this.#state.lastElementChild, fires ? "alert" : state);
    this.#warning(source);
    this.#show(source, show);
    text(this.#summary, sparkline(this.#spark, samples, show));
    this.#trend.hidden = this.#summary.textContent === "";
    optional(this.#error, [source.error, source.alert?.error].filter(Boolean).map((error) => printable(excerpt(error))).join("\n"));
    this.#times(source);
    this.#button();
  }

  #warning({ alert }) {
    this.#alert.hidden = !alert;
    this.node.dataset.alert = alert?.state ?? "";
    if (!alert) return;
    const since = Date.parse(alert.since);
    const word = { firing: "firing", pending: "pending" }[alert.state] ?? "alert unknown";
    text(this.#alert.lastElementChild, Number.isNaN(since) ? word : `${word} for ${lasting(clock.now() - since)}`);
    this.#alert.title = Number.isNaN(since) ? "" : `since ${moment(new Date(since))}`;
  }

  #show(source, show) {
    if (this.#split?.value !== source.value) this.#split = { value: source.value, ...headline(source) };
    const { big, rest } = this.#split;
    const alone = big === undefined && !isEmpty(rest);
    this.#value.hidden = alone;
    const before = this.#figure.textContent;
    const after = text(this.#figure, scalar(big, show.decimals, FIGURE));
    this.#figure.dataset.length = after.length > 60 ? "text" : after.length > 12 ? "long" : "short";
    text(this.#unit, big === undefined || !show.unit ? "" : printable(show.unit));
    if (before && before !== "–" && before !== after) this.#flash();

    this.#fields.hidden = isEmpty(rest);
    this.#fields.classList.toggle("alone", alone);
    showValue(this.#fields, rest, printable(source.title || source.name));

    const { min, max } = show;
    const figure = magnitude(big);
    this.#gauge.hidden = !(figure !== null && min < max);
    if (!this.#gauge.hidden) {
      const part = Math.min(1, Math.max(0, (figure - min) / (max - min)));
      this.#gauge.firstElementChild.style.inlineSize = `${(part * 100).toFixed(1)}%`;
    }
  }

  #flash() {
    if (calm.matches) return;
    this.#figure.animate([{ color: "var(--accent)" }, {}], { duration: 900, easing: "ease-out" });
  }

  #times({ updated_at, next_at, waiting, state }) {
    if (updated_at) {
      text(this.#age, age(clock.now() - Date.parse(updated_at)));
      this.#age.dateTime = updated_at;
      this.#age.title = moment(new Date(updated_at));
    } else {
      text(this.#age, "no value yet");
    }
    text(this.#next, this.#due(Date.parse(next_at), waiting, state));
    this.#next.title = next_at ? moment(new Date(next_at)) : "";
  }

  /** When the next value is due, and the reason for a delay; NaN means never. */
  #due(at, waiting, state) {
    const refused = this.#refused > clock.now();
    if (refused) at = this.#refused;
    const left = at - clock.now();
    if (Number.isNaN(left)) return "";
    if (left <= 500) return "polling";
    if (refused || waiting === "rate limit") {
      return left < 60_000 ? `rate limit, again in ${duration(left)}` : `rate limit until ${timeOfDay(at, clock.now())}`;
    }
    if (waiting === "backoff") return `backing off, ${duration(left)}`;
    return `${state === "ok" ? "next" : "next try"} in ${duration(left)}`;
  }

  #button() {
    const title = printable(this.#source.title || this.#source.name);
    this.#refresh.ariaLabel = `Refresh ${title}`;
    this.#refresh.title = this.#refusal || "Refresh";
    this.#refresh.ariaDisabled = String(Boolean(this.#refusal || this.#asking || this.#refused > clock.now()));
    this.#refresh.classList.toggle("busy", this.#asking);
  }

  async #press() {
    if (this.#refusal) return optional(this.#problem, this.#refusal);
    if (this.#refresh.ariaDisabled === "true") return;
    optional(this.#problem, "");
    this.#asking = true;
    this.#button();
    try {
      await api.refresh(this.#source.name); // the value arrives with the stream
    } catch (problem) {
      if (problem.status === 429) {
        this.#refused = clock.now() + problem.retryAfter * 1000;
        this.#say(`${this.#source.title || this.#source.name}: rate limit, again in ${duration(problem.retryAfter * 1000)}`);
      } else {
        optional(this.#problem, printable(problem.message));
      }
    }
    this.#asking = false;
    this.#changed();
  }
}
