// The dialog before a run: the job's question, and a form for its arguments, built from their types. It makes simple
// checks (a value is given, a number is valid and within its bounds); the server checks everything, and its errors are
// shown at the fields. When another run is in the way, the dialog offers to wait for its end, or to cancel it.

import * as api from "./api.js";
import { clone, element, optional, text } from "./dom.js";
import { label, number, printable } from "./format.js";
import { ended } from "./store.js";

let inputs = 0; // numbers the fields' ids

export class RunDialog {
  #dialog = clone("run-form");
  #problem = this.#dialog.querySelector(".problem");
  #submit = this.#dialog.querySelector("button.run");
  #busy = this.#dialog.querySelector(".busy");
  #job; #started; #fields;
  #awaited = ""; // id of the run whose end is waited for

  /**
   * Opens the dialog with the arguments of the run before, if there was one; `started` gets the run that the server
   * answers with, `closed` is called at the end.
   */
  constructor(job, before, started, closed) {
    this.#job = job;
    this.#started = started;
    text(this.#dialog.querySelector("h2"), `Run ${printable(job.title || job.name)}`);
    this.#fields = new Map(Object.entries(job.args).map(([name, arg]) => [name, new Field(name, arg, before?.[name])]));
    optional(this.#dialog.querySelector(".confirm"), printable(job.confirm));
    const inputs = this.#dialog.querySelector(".inputs");
    inputs.append(...[...this.#fields.values()].map((f) => f.node));
    inputs.hidden = this.#fields.size === 0;
    const on = (value, f) => this.#dialog.querySelector(`button[value=${value}]`).addEventListener("click", f);
    on("close", () => this.#dialog.close());
    on("wait", () => this.#wait());
    on("cancel", () => this.#replace());
    this.#dialog.querySelector("form").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#send();
    });
    this.#dialog.addEventListener("close", () => {
      this.#dialog.remove();
      closed();
    });
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  /** Takes the newest run of the job, which may be the awaited end. */
  update(run) {
    if (!this.#awaited || (run?.id === this.#awaited && !ended(run))) return;
    this.#awaited = "";
    this.#label("Run");
    this.#send();
  }

  async #send() {
    optional(this.#problem, "");
    this.#busy.hidden = true;
    const fields = [...this.#fields.values()];
    for (const field of fields) field.say(field.mistake());
    if (this.#focusMistake() || this.#submit.ariaDisabled === "true") return;

    this.#submit.ariaDisabled = "true";
    try {
      const args = Object.fromEntries([...this.#fields].map(([name, field]) => [name, field.value()]));
      this.#started(await api.start(this.#job.name, args));
      this.#dialog.close();
    } catch (problem) {
      const rest = (problem.errors ?? []).filter((e) => !this.#fields.get(argument(e.pointer))?.say(printable(e.detail)));
      const atFields = problem.errors?.length > rest.length;
      optional(this.#problem, [atFields ? "" : printable(problem.message), ...rest.map((e) => printable(e.detail))].filter(Boolean).join(" "));
      this.#focusMistake();
      this.#busy.hidden = problem.status !== 409 || !problem.run;
      this.#busy.dataset.run = problem.run;
    }
    this.#submit.ariaDisabled = "false";
  }

  /** Starts as soon as the run in the way has ended. */
  #wait() {
    this.#awaited = this.#busy.dataset.run;
    this.#busy.hidden = true;
    text(this.#problem, "Starts when the run in progress has ended. Close this to abandon the start.");
    this.#label("Waiting");
    this.#submit.focus();
  }

  async #replace() {
    const { run } = this.#busy.dataset;
    this.#wait();
    try {
      await api.cancel(run);
    } catch (problem) {
      this.#awaited = "";
      this.#label("Run");
      optional(this.#problem, printable(problem.message));
    }
  }

  #label(word) {
    text(this.#submit, word);
    this.#submit.ariaDisabled = String(word !== "Run");
  }

  #focusMistake() {
    const wrong = this.#dialog.querySelector("[aria-invalid=true]");
    wrong?.focus();
    return wrong !== null;
  }
}

/** One argument: a label, an input of its type, a hint, and what is wrong with it. */
class Field {
  node = clone("run-input");
  #arg; #input;
  #invalid = this.node.querySelector(".invalid");

  /** `before` is the argument of the previous run, if any. Secrets are not known here. */
  constructor(name, arg, before) {
    this.#arg = arg;
    this.#input = control({ ...arg, default: arg.secret ? arg.default : before ?? arg.default });
    const id = `argument-${++inputs}`;
    const [caption, hint] = [this.node.querySelector("label"), this.node.querySelector(".hint")];
    this.#input.id = caption.htmlFor = id;
    this.#input.name = name;
    text(caption, printable(arg.title || label(name)));
    optional(hint, describe(arg));
    hint.id = `${id}-hint`;
    this.#invalid.id = `${id}-invalid`;
    this.#input.setAttribute("aria-describedby", `${hint.id} ${this.#invalid.id}`);
    this.#input.required = Boolean(arg.required) && arg.type !== "bool";
    this.node.classList.toggle("check", arg.type === "bool");
    caption.after(this.#input);
  }

  /** The argument in the form for the API. */
  value() {
    const raw = this.#input.value;
    switch (this.#arg.type) {
      case "bool": return this.#input.checked;
      case "int": case "number": return Number(raw);
    }
    return raw;
  }

  /** What a simple check finds wrong with the input, or "". */
  mistake() {
    const { type, min, max, required } = this.#arg;
    const raw = this.#input.value.trim();
    if (raw === "" && (required || type !== "string") && type !== "bool") return "Enter a value.";
    if (type !== "int" && type !== "number") return "";
    const value = Number(raw);
    if (!Number.isFinite(value)) return "Enter a number.";
    if (type === "int" && !Number.isInteger(value)) return "Enter a whole number.";
    if (type === "int" && !Number.isSafeInteger(value)) return `Enter a whole number of at most ${number(Number.MAX_SAFE_INTEGER)}.`;
    if (value < min) return `Enter ${number(min)} or more.`;
    if (value > max) return `Enter ${number(max)} or less.`;
    return "";
  }

  /** Shows what is wrong at the field; "" clears it. */
  say(mistake) {
    this.#input.setAttribute("aria-invalid", String(mistake !== ""));
    optional(this.#invalid, mistake);
    return true;
  }
}

function control({ type, default: initial, values, secret }) {
  if (type === "enum") {
    const options = (values ?? []).map((value) => element("option", { value }, printable(value)));
    const select = element("select", {}, ...options);
    if (values?.includes(initial)) select.value = initial;
    return select;
  }
  const input = element("input", { type: type === "bool" ? "checkbox" : secret ? "password" : "text", autocomplete: "off", spellcheck: "false" });
  if (type === "bool") input.checked = initial === true;
  else input.value = initial ?? "";
  if (type === "url") input.inputMode = "url";
  if (type === "int" || type === "number") input.inputMode = type === "int" ? "numeric" : "decimal";
  return input;
}

function describe({ type, min, max, secret, required }) {
  const least = min ?? null, most = max ?? null;
  const what = { int: "Whole number", number: "Number", cidr: "Network such as 10.0.4.0/24", host: "Host name or address",
    url: "Address that begins with https://", path: "Path of a file or directory" }[type] ?? "";
  if (secret) return [what, "never shown or logged", !required && "may be left empty"].filter(Boolean).join(", ").replace(/^n/, "N");
  if (least !== null && most !== null) return `${what} from ${number(least)} to ${number(most)}`;
  if (least !== null) return `${what}, ${number(least)} or more`;
  if (most !== null) return `${what}, ${number(most)} or less`;
  return what;
}

/** The argument that a JSON Pointer (RFC 6901, as a URI fragment) points to: "#/args/subnet". */
function argument(pointer) {
  const [, parent, name = ""] = (pointer ?? "").split("/");
  return parent === "args" ? decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~") : "";
}
