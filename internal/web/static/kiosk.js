// The overview on a wall, ?kiosk=1: overview.js keeps it true; here is what only a wall needs.
//
// The screen stays awake. What does not fit is counted (rows of what needs attention), or shown in turn (sections). The pointer
// goes when it is left alone. A page that is open for months takes over a newer version of itself.

import { now } from "./clock.js";
import { plural, seconds } from "./words.js";

const TURN = 12_000; // ms for which a screenful of sections is shown
const IDLE = 3_000; // ms after which the pointer goes
const NEWER = 600_000; // ms between two looks for a newer version

const part = (selector) => document.querySelector(selector);
const ui = { time: part(".bar .time"), sections: part("#sections"), attention: part(".attention"), clipped: line("clipped"), turn: line("turn") };
const root = document.documentElement;

/** A line of text below what it is about. */
function line(name) {
  const node = document.createElement("p");
  node.className = name;
  part("main").append(node);
  return node;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Keeps the screen on, as long as it is seen: browsers give the lock up when the page is hidden. */
async function stayAwake() {
  if (document.hidden) return;
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // The battery is low, or the page is not from https.
  }
}

/** Shows the next screenful of sections, and says which one that is. */
function turn() {
  const { scrollLeft, clientWidth, scrollWidth } = ui.sections;
  const gap = parseFloat(getComputedStyle(ui.sections).columnGap) || 0, step = clientWidth + gap;
  const pages = Math.max(1, Math.ceil((scrollWidth - 1) / step)), at = (Math.round(scrollLeft / step) + 1) % pages;
  if (pages > 1) ui.sections.scrollTo({ left: at * step, behavior: "instant" });
  say(ui.turn, pages > 1 ? `${at + 1} of ${pages}` : "");
}

/** Counts the rows of what needs attention that have no room: they are in columns to the right, which are clipped. */
function count() {
  const edge = ui.attention.getBoundingClientRect().right;
  const clipped = [...ui.attention.children].filter((row) => row.getBoundingClientRect().left >= edge).length;
  const more = Number(/\d+/.exec(part(".verdict .more").textContent)?.[0] ?? 0) + clipped;
  say(ui.clipped, more > 0 ? `${plural(more, "more needs", "more need")} attention` : "");
}

/** Loads the page again if the gateway has another version of its modules. */
async function renew() {
  try {
    const response = await fetch(location.href, { cache: "no-store" });
    if (response.status === 200 && !(await response.text()).includes(import.meta.url.split("/").pop())) location.reload();
  } catch {
    // It is not there now. The band says so.
  }
}

let idle = 0;
addEventListener("pointermove", () => {
  root.classList.remove("idle");
  clearTimeout(idle);
  idle = setTimeout(() => root.classList.add("idle"), IDLE);
});
document.addEventListener("visibilitychange", stayAwake);
addEventListener("resize", () => ui.sections.scrollTo({ left: 0 }));
function tick() {
  say(ui.time, seconds(now()));
  count();
}

tick();
setInterval(tick, 1000);
setInterval(turn, TURN);
setInterval(renew, NEWER);
stayAwake();
