// The module of the gateway's page, with what it asks of a browser.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as report from "../report.mjs";

const url = process.argv[2];
globalThis.window = globalThis;
globalThis.document = { baseURI: url, hidden: false, addEventListener() {} };
globalThis.addEventListener ??= () => {};
globalThis.HTMLElement = class {};
globalThis.customElements = { get() {}, define() {} };

const dir = await mkdtemp(join(tmpdir(), "tidewire-"));
const module = join(dir, "tidewire.mjs"); // Node.js takes a .js for CommonJS
await copyFile(new URL("../../../internal/web/static/tidewire.js", import.meta.url), module);
const { subscribe } = await import(pathToFileURL(module).href);
await rm(dir, { recursive: true });
subscribe(url, {
	share: false,
	parse: (text) => text,
	onSnapshot: (data, id) => report.event({ id, data }),
	onState: (state) => state === "live" ? report.opened() : report.error(state),
	onReset: () => report.event({ type: "reset", data: "" }),
	onGap: (missed) => report.event({ type: "gap", data: String(missed) }),
	onEnd: report.ended,
});
