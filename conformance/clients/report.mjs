// What a client sees, as lines of JSON on stdout; see ../clients_test.go. The process ends with its stdin.
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
export const opened = () => say({ kind: "open" });
export const event = ({ id, type, data }) => say({ kind: "event", id: id ?? "", type: type || "message", data });
export const error = (err) => say({ kind: "error", text: String(err?.message ?? err ?? "") });
export const ended = () => say({ kind: "end" });
process.stdin.on("end", () => process.exit()).resume();
