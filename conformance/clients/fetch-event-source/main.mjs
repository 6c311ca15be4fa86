// What the package's README shows: whatever is no client error is tried again.
import { fetchEventSource } from "@microsoft/fetch-event-source";
import * as report from "../report.mjs";

globalThis.window = globalThis; // it was written for browsers
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

class Fatal extends Error {}
try {
	await fetchEventSource(process.argv[2], {
		async onopen(response) {
			if (response.ok && response.headers.get("content-type")?.startsWith("text/event-stream")) return report.opened();
			if (response.status >= 400 && response.status < 500 && response.status !== 429) throw new Fatal(response.status);
			throw new Error(`status ${response.status}`);
		},
		onmessage: ({ id, event, data }) => report.event({ id, type: event, data }),
		onclose() { throw new Error("closed"); },
		onerror(err) {
			report.error(err);
			if (err instanceof Fatal) throw err;
		},
	});
} catch {
	// it has given up
}
report.ended();
