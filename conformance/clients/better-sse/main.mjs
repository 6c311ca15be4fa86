// A server: it prints its port, and sends the events that it reads as lines of JSON. Who comes back gets what it missed.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createChannel, createSession } from "better-sse";

const retry = Number(process.argv[2]);
const channel = createChannel();
const said = [];

const server = createServer(async (request, response) => {
	const session = await createSession(request, response, { retry });
	const last = said.findIndex(({ id }) => id === session.lastId);
	if (last >= 0) for (const { data, type, id } of said.slice(last + 1)) session.push(data, type, id);
	channel.register(session);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

createInterface({ input: process.stdin }).on("line", (line) => {
	const event = JSON.parse(line);
	said.push(event);
	channel.broadcast(event.data, event.type, { eventId: event.id });
}).on("close", () => process.exit());
