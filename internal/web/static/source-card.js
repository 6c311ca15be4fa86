// One source: its value, its recent history, its state, and Refresh.

import { AlertView } from "./alert-view.js";
import * as api from "./api.js";
import * as clock from "./clock.js";
import { clone, glyph, optional, text } from "./dom.js";
import { age, duration, excerpt, moment, printable, scalar, timeOfDay } from "./format.js";
import { sparkline } from "./sparkline.js";
import { headline, magnitude } from "./store.js";
import { isEmpty, showValue } from "./value-view.js";
import { fires } from "./views.js";

const FIGURE = 200; // characters of a text that is shown as the value

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class SourceCard {
  node = clone("source-card");
  #part = (selector) => this.node.querySelector(selector);
  #title = this.#part(".title");
  #state = this.#part(".state");
  #alert;
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
  #by = this.#part(".by");
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
    this.#alert = new AlertView(this.node, say);
    this.#refresh.addEventListener("click", () => this.#press());
  }

  /**
   * Shows a source with the samples that its sparkline draws, and the silence that holds for its alert. `refusal` says why
   * whoever looks may not refresh it, if so; `offered` whether they may silence it; `by` shows the replica that polls it.
   */
  update({ source, samples, refusal, silence, told, wider, offered, by }) {
    const { state, alert, show = {} } = source;
    const title = printable(source.title || source.name);
    this.#source = source;
    this.#refusal = refusal;
    this.node.dataset.state = state;
    this.node.dataset.name = source.name;
    text(this.#title, title);
    const outranked = state === "ok" && fires(alert); // a good poll can fire an alert
    glyph(this.#state, outranked ? "bell" : state);
    text(this.#state.lastElementChild, outranked ? "alert" : state);
    this.#alert.update({ key: `source/${source.name}`, title, alert, silence, told, wider }, offered);
    this.#show(source, show);
    text(this.#summary, sparkline(this.#spark, samples, show));
    this.#trend.hidden = this.#summary.textContent === "";
    optional(this.#error, [source.error, alert?.error].filter(Boolean).map((error) => printable(excerpt(error))).join("\n"));
    this.#times(source);
    by.show(this.#by);
    this.#button();
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
