import { createEventSource } from "eventsource-client";
import * as report from "../report.mjs";

const source = createEventSource({
	url: process.argv[2],
	onConnect: report.opened,
	onScheduleReconnect: ({ delay }) => report.error(`reconnects in ${delay} ms`),
});
for await (const { id, event, data } of source) report.event({ id, type: event, data });
report.ended();
