// The keyboard: one letter moves between what a page lists, opens it, or acts on it. The sheet of keys is <dialog id="keys">.
//
// No key acts while somebody types, while a dialog is open, or together with Ctrl, Alt or Meta. Who dictates to a computer can
// turn the letters off there (WCAG 2.2, 2.1.4); that is remembered.

import { band } from "./band.js";

const OFF = "tidewire-keys-off";
const SECOND = 1500; // ms within which the letter after g comes

const stops = "main :is(.title[href], .tile > a, .section > summary, .list td:first-child > a)"; // in the order of the page
const acts = "form:not([hidden]):is([action$='/refresh'], [action$='/run'], [action$='/runs']) button:not(:disabled, [aria-disabled=true])";
const sheet = document.getElementById("keys");
const button = document.querySelector("[data-keys]");
const letters = sheet?.querySelector("[type=checkbox]");

let waits = -Infinity; // when g was pressed

function isOff() {
  try {
    return localStorage.getItem(OFF) !== null;
  } catch {
    return false; // without storage
  }
}

function setOff(off) {
  try {
    if (off) localStorage.setItem(OFF, "1");
    else localStorage.removeItem(OFF);
  } catch {
    // it holds as long as the page
  }
}

/** Whether a key belongs to the element that has the focus. */
function isTyping(node) {
  return node.closest?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
}

/** What moving between things stops at, and the last of it up to the focus; -1: none. */
function place() {
  const all = [...document.querySelectorAll(stops)].filter((node) => node.checkVisibility({ visibilityProperty: true }));
  const { activeElement: focus } = document;
  const isBefore = (node) => node === focus || node.compareDocumentPosition(focus) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [all, focus.closest("main") ? all.findLastIndex(isBefore) : -1];
}

function move(by) {
  const [all, at] = place();
  const first = () => Math.max(0, all.findIndex((node) => node.getBoundingClientRect().bottom > 0));
  const to = all[at < 0 ? first() : at + by];
  to?.focus({ focusVisible: true, preventScroll: true });
  to?.scrollIntoView({ block: "nearest" });
}

/** Polls the source, or starts the job, that has the focus, or else the one that the page is about. */
function act() {
  const item = document.activeElement?.closest("main [data-key]");
  const control = item?.querySelector(acts) ?? (item ? null : document.querySelector(`main .head ${acts}`));
  if (control) return control.click();
  const name = item?.dataset.key.match(/^source\/(.+)/)?.[1];
  if (name) poll(name);
}

/** Polls a source, which has no form here. Its value comes by the stream; why it cannot be polled is said. */
async function poll(name) {
  const to = `${document.documentElement.dataset.root}api/v1/sources/${encodeURIComponent(name)}/refresh`;
  try {
    const response = await fetch(to, { method: "POST", headers: { Accept: "application/json" } });
    if (response.ok) return band("keys", null);
    const { detail } = await response.json();
    band("keys", { state: "failing", text: `${name} was not polled`, more: detail, act: "Close" }, () => band("keys", null));
  } catch {
    // The connection is lost, which the page says.
  }
}

/** Closes what is open: the filter of the page. In the search field it empties that first. */
function leave() {
  const field = document.activeElement;
  if (!field?.matches(".search input")) return document.querySelector(".filter a")?.click();
  if (field.value === "") return field.blur();
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

const keys = {
  "/": () => document.querySelector(".search input")?.select(),
  j: () => move(1),
  k: () => move(-1),
  r: act,
  "?": () => sheet.showModal(),
};

function pressed(event) {
  const { key, target, timeStamp } = event;
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const afterG = timeStamp - waits < SECOND;
  waits = -Infinity;
  if (key === "Escape") return leave();
  if (isTyping(target) || isOff()) return;
  const tab = afterG ? document.querySelectorAll(".tabs a")["oja".indexOf(key)] : null;
  if (tab) tab.click();
  else if (key === "g") waits = timeStamp;
  else if (Object.hasOwn(keys, key) && (!event.repeat || "jk".includes(key))) keys[key]();
  else return;
  event.preventDefault();
}

if (sheet) {
  letters.checked = !isOff();
  letters.addEventListener("change", () => setOff(!letters.checked));
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close()); // beside it
  button.hidden = false;
  button.addEventListener("click", () => sheet.showModal());
  addEventListener("keydown", pressed);
}
