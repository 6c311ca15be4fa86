// What of the overview is shown is in its address, ?q=&state=&section=&density=, so that Back works and a view can be sent.

import { judgeRun } from "./judge.js";

const filters = ["q", "state", "section"];
const densities = ["cards", "rows", "tiles"];
const REMEMBERED = "tidewire-density"; // a cookie, so that the server draws the page in it

let changed = () => {};

/** Has `f` called whenever the address has changed: by a link, by Back, or by go(). */
export function follow(f) {
  changed = f;
  addEventListener("popstate", f);
  document.addEventListener("click", (e) => {
    const link = e.target.closest("a[href]");
    if (!link || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
    const to = new URL(link.href), here = new URL(location.href);
    if (to.origin !== here.origin || to.pathname !== here.pathname || to.hash) return;
    const asked = to.searchParams;
    if (asked.size > 0 && ![...asked.keys()].every((key) => key === "density" || filters.includes(key))) return;
    e.preventDefault();
    const density = asked.get("density");
    if (density) return go({ density });
    go({ q: "", state: "", section: "", ...Object.fromEntries(asked) });
  });
}

/** What is to be shown; "" is everything, and of the density what fits. */
export function shown() {
  const asked = new URLSearchParams(location.search);
  const is = Object.fromEntries(filters.map((name) => [name, asked.get(name) ?? ""]));
  const isPage = document.documentElement.className === ""; // a wall, and a frame, are not the reader's
  const density = asked.get("density") ?? (isPage ? remembered() : "");
  return { ...is, density: densities.includes(density) ? density : "" };
}

/** Goes to an address that differs in these; with `quietly` there is no way back to the one before. */
export function go(changes, quietly = false) {
  const asked = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) asked.set(name, value);
    else asked.delete(name);
  }
  if (changes.density) remember(changes.density);
  const to = asked.size ? `?${asked}` : location.pathname;
  if (quietly) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  changed();
}

/** Reports whether a source or a job of that name, title and section, judged to be `badge`, is to be shown. */
export function matches({ q, state, section }, of, badge) {
  const at = of.section ?? "";
  if (section && at !== section && !at.startsWith(`${section}/`)) return false;
  const counts = !state || state === badge.state || (state === "attention" && badge.needs) ||
    (state === "failed" && badge.rank === judgeRun({ status: "failed" }).rank); // all runs that did not succeed
  return counts && `${of.name}\n${of.title ?? ""}\n${at}`.toLowerCase().includes(q.toLowerCase().trim());
}

/** What a filter shows, in words. */
export function words({ q, state, section }) {
  return [section.replaceAll("/", " / "), state, q && `“${q}”`].filter(Boolean).join(", ");
}

function remembered() {
  return new RegExp(`(?:^|; )${REMEMBERED}=(\\w+)`).exec(document.cookie)?.[1];
}

function remember(density) {
  const { pathname } = new URL(document.documentElement.dataset.root, location);
  document.cookie = `${REMEMBERED}=${density}; path=${pathname}; max-age=31536000; samesite=lax`;
}
