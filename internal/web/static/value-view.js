// Any JSON value as something to read: objects as labelled rows, lists of
// objects as tables, everything else as a line of text.

import { element } from "./dom.js";
import { label, scalar } from "./format.js";
import { stringify } from "./json.js";

const ROWS = 100; // rows of a table or fields of an object; the rest is counted

const LINE = 60; // characters beyond which a field is text to read, not a value beside its label

const shown = new WeakMap(); // container -> the value in it, its title, and both as text

/** Shows value in container, which is left alone while the value is the same. `title` names its tables for screen readers. */
export function showValue(container, value, title) {
  const last = shown.get(container);
  if (last && last.value === value && last.title === title) return;
  const json = stringify([title, value]);
  shown.set(container, { value, title, json });
  if (last?.json === json) return;
  container.replaceChildren(...view(value, title));
}

/** Reports whether there is anything in value to show. */
export function isEmpty(value) {
  return value === null || value === undefined || value === "" ||
    (typeof value === "object" && Object.keys(value).length === 0);
}

function view(value, title) {
  if (isEmpty(value)) return [];
  if (Array.isArray(value)) return value.every(isObject) ? table(value, title) : list(value);
  return isObject(value) ? fields(value, title) : [element("p", {}, scalar(value))];
}

function fields(object, title) {
  const rows = Object.entries(object).slice(0, ROWS).map(([name, value]) => {
    const content = cell(value, `${title}: ${label(name)}`);
    const kind = content[0].length > LINE ? { class: "text" } : {};
    return element("div", {}, element("dt", { dir: "auto" }, label(name)), element("dd", { dir: "auto", ...kind }, ...content));
  });
  return [element("dl", {}, ...rows), ...more(Object.keys(object).length)];
}

/** A field's own value: tables stand where they are, anything else on one line. */
function cell(value, title) {
  const nested = Array.isArray(value) && value.length > 0 && value.every(isObject);
  return nested ? table(value, title) : [scalar(value)];
}

function table(objects, title) {
  const columns = [...new Set(objects.slice(0, ROWS).flatMap(Object.keys))];
  const numeric = new Set(columns.filter((c) => objects.every((o) => isNumber(o[c] ?? 0))));
  const attributes = (c) => (numeric.has(c) ? { class: "number" } : { dir: "auto" });
  const head = element("tr", {}, ...columns.map((c) => element("th", { scope: "col", ...attributes(c) }, label(c))));
  const rows = objects.slice(0, ROWS).map((o) =>
    element("tr", {}, ...columns.map((c) => element("td", attributes(c), scalar(o[c])))));
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return [element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` }, whole), ...more(objects.length)];
}

function list(values) {
  return [element("ul", {}, ...values.slice(0, ROWS).map((v) => element("li", { dir: "auto" }, scalar(v)))), ...more(values.length)];
}

function more(count) {
  return count > ROWS ? [element("p", { class: "more" }, `and ${count - ROWS} more`)] : [];
}

function isNumber(value) {
  return typeof value === "number" || typeof value === "bigint";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
