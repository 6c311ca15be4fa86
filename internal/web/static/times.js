// Times that the server has drawn in its own zone, in that of whoever reads them.
//
//	<time datetime="…">14:02</time>                 a time of day
//	<time datetime="…" data-elapsed>12 min</time>   how long ago it was
//	<time datetime="…" data-left>4 h</time>         how long it is to it
//	<time datetime="…" data-due>in 4 s</time>       when what is due then comes
//	<time datetime="…" data-age>just now</time>     how old a value of then is
//	<time datetime="…" data-seconds>14:02:07</time> a time of day to the second
//	<input type="datetime-local" data-at="…">       a time to be changed; <input name="zone"> then says of which zone it is

import * as clock from "./clock.js";
import { age, clock as timeOfDay, elapsed, seconds, soon, until } from "./words.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Writes the times in `root`, a document or an element. Those in a log are its own. */
export function localise(root) {
  for (const node of root.querySelectorAll("time[datetime]:not(.log time, [data-elapsed], [data-left], [data-due], [data-age])")) {
    const at = Date.parse(node.dateTime);
    write(node, node.dataset.seconds === undefined ? timeOfDay(at, clock.now()) : seconds(at));
  }
  tick(root);
  if (!zone) return;
  for (const form of root.querySelectorAll("form:has(input[name=zone])")) {
    form.elements.zone.value = zone;
    for (const node of form.querySelectorAll(".zone")) node.hidden = true; // they are those of the reader
    for (const input of form.querySelectorAll("input[data-at]")) {
      const at = new Date(input.dataset.at);
      input.value = new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    }
  }
}

/** Writes the durations in `root`. */
export function tick(root) {
  for (const node of root.querySelectorAll("time[data-elapsed]")) write(node, elapsed(Date.parse(node.dateTime), clock.now()));
  for (const node of root.querySelectorAll("time[data-age]")) write(node, age(Date.parse(node.dateTime), clock.now()));
  for (const node of root.querySelectorAll("time[data-left]")) write(node, until(Date.parse(node.dateTime), clock.now()));
  for (const node of root.querySelectorAll("time[data-due]")) write(node, soon(Date.parse(node.dateTime), clock.now()));
}
