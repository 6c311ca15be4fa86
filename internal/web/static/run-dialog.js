// The form that asks for a job's arguments, built from their types. It checks
// what is plain (something is there, a number is one and within its bounds);
// the server checks everything, and what it says stands at the field.

import * as api from "./api.js";
import { clone, element, optional, text } from "./dom.js";
import { label, number, printable } from "./format.js";

let inputs = 0; // numbers the fields' ids

export class RunDialog {
  #dialog = clone("run-form");
  #problem = this.#dialog.querySelector(".problem");
  #submit = this.#dialog.querySelector("button.run");
  #job; #started; #fields;

  /** Opens the dialog; `started` gets the run that the server answers with. */
  constructor(job, started) {
    this.#job = job;
    this.#started = started;
    text(this.#dialog.querySelector("h2"), `Run ${printable(job.title || job.name)}`);
    this.#fields = new Map(Object.entries(job.args).map(([name, arg]) => [name, new Field(name, arg)]));
    this.#dialog.querySelector(".inputs").append(...[...this.#fields.values()].map((f) => f.node));
    this.#dialog.querySelector("button[value=close]").addEventListener("click", () => this.#dialog.close());
    this.#dialog.querySelector("form").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#send();
    });
    this.#dialog.addEventListener("close", () => this.#dialog.remove());
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  async #send() {
    optional(this.#problem, "");
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
    }
    this.#submit.ariaDisabled = "false";
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

  constructor(name, arg) {
    this.#arg = arg;
    this.#input = control(arg);
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

  /** The argument as the API takes it. */
  value() {
    const raw = this.#input.value;
    switch (this.#arg.type) {
      case "bool": return this.#input.checked;
      case "int": case "number": return Number(raw);
    }
    return raw;
  }

  /** What is plainly wrong with the input, or "". */
  mistake() {
    const { type, min, max, required } = this.#arg;
    const raw = this.#input.value.trim();
    if (raw === "" && (required || type !== "string") && type !== "bool") return "Enter a value.";
    if (type !== "int" && type !== "number") return "";
    const value = Number(raw);
    if (!Number.isFinite(value)) return "Enter a number.";
    if (type === "int" && !Number.isInteger(value)) return "Enter a whole number.";
    if (value < min) return `Enter ${number(min)} or more.`;
    if (value > max) return `Enter ${number(max)} or less.`;
    return "";
  }

  /** Shows what is wrong at the field, or with "" that nothing is. */
  say(mistake) {
    this.#input.setAttribute("aria-invalid", String(mistake !== ""));
    optional(this.#invalid, mistake);
    return true;
  }
}

function control({ type, default: initial, values }) {
  if (type === "enum") {
    const options = (values ?? []).map((value) => element("option", {}, value));
    const select = element("select", {}, ...options);
    if (initial !== undefined && initial !== null) select.value = initial;
    return select;
  }
  const input = element("input", { type: type === "bool" ? "checkbox" : "text", autocomplete: "off", spellcheck: "false" });
  if (type === "bool") input.checked = initial === true;
  else input.value = initial ?? "";
  if (type === "int" || type === "number") input.inputMode = type === "int" ? "numeric" : "decimal";
  return input;
}

function describe({ type, min, max }) {
  const least = min ?? null, most = max ?? null;
  const what = { int: "Whole number", number: "Number", cidr: "Network such as 10.0.4.0/24", host: "Host name or address" }[type] ?? "";
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
