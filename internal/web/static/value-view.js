// Any JSON value as something to read: objects as labelled rows, lists of
// objects as tables, everything else as a line of text.

import { element } from "./dom.js";
import { label, scalar } from "./format.js";

const ROWS = 100; // rows of a table or fields of an object; the rest is counted

const shown = new WeakMap(); // container -> JSON of the value in it

/** Shows value in container, which is left alone while the value is the same. */
export function showValue(container, value, decimals) {
  const json = JSON.stringify(value) ?? "";
  if (shown.get(container) === json) return;
  shown.set(container, json);
  container.replaceChildren(...view(value, decimals));
}

/** Reports whether there is anything in value to show. */
export function isEmpty(value) {
  return value === null || value === undefined || value === "" ||
    (typeof value === "object" && Object.keys(value).length === 0);
}

function view(value, decimals) {
  if (isEmpty(value)) return [];
  if (Array.isArray(value)) return value.every(isObject) ? table(value) : list(value, decimals);
  return isObject(value) ? fields(value, decimals) : [element("p", {}, scalar(value, decimals))];
}

function fields(object, decimals) {
  const rows = Object.entries(object).slice(0, ROWS).map(([name, value]) =>
    element("div", {}, element("dt", { dir: "auto" }, label(name)), element("dd", { dir: "auto" }, ...cell(value, decimals))));
  return [element("dl", {}, ...rows), ...more(Object.keys(object).length)];
}

/** A field's own value: tables stand where they are, anything else on one line. */
function cell(value, decimals) {
  const nested = Array.isArray(value) && value.length > 0 && value.every(isObject);
  return nested ? table(value) : [scalar(value, decimals)];
}

function table(objects) {
  const columns = [...new Set(objects.slice(0, ROWS).flatMap(Object.keys))];
  const numeric = new Set(columns.filter((c) => objects.every((o) => typeof (o[c] ?? 0) === "number")));
  const attributes = (c) => (numeric.has(c) ? { class: "number" } : { dir: "auto" });
  const head = element("tr", {}, ...columns.map((c) => element("th", { scope: "col", ...attributes(c) }, label(c))));
  const rows = objects.slice(0, ROWS).map((o) =>
    element("tr", {}, ...columns.map((c) => element("td", attributes(c), scalar(o[c])))));
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return [element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, whole), ...more(objects.length)];
}

function list(values, decimals) {
  return [element("ul", {}, ...values.slice(0, ROWS).map((v) => element("li", { dir: "auto" }, scalar(v, decimals)))),
    ...more(values.length)];
}

function more(count) {
  return count > ROWS ? [element("p", { class: "more" }, `and ${count - ROWS} more`)] : [];
}


function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
