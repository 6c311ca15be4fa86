// An EventSource of the package in the first argument, on the URL in the second.
import * as report from "../report.mjs";

const [name, url] = process.argv.slice(2);
const { EventSource, default: whole } = await import(name);
const source = new (EventSource ?? whole)(url);
source.addEventListener("open", report.opened);
for (const type of ["message", "gap", "reset", "bye"]) {
	source.addEventListener(type, ({ lastEventId, data }) => report.event({ id: lastEventId, type, data }));
}
source.addEventListener("error", (err) => {
	report.error(err.message);
	setImmediate(() => source.readyState === 2 && report.ended()); // CLOSED, in version 2 after the event: it has given up
});
