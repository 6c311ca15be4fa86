// The gateway's HTTP API: JSON in, JSON out, failures as Problem. Addresses are
// relative to the page, which may be below any path.

let skew = 0; // the server's clock minus this one, in ms

/** Returns the server's time: ages must not depend on this machine's clock. */
export function now() {
  return Date.now() + skew;
}

/** A request that failed: the members of problem+json, or the reason why there was no answer. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.errors = body.errors ?? []; // [{pointer: "#/args/subnet", detail}]
    this.run = body.run ?? ""; // the run that stands in the way
    this.retryAfter = body.retry_after ?? 0; // in s; 0: not known
    this.foreign = false; // a proxy in front answered, not the gateway
  }
}

export const sources = async () => (await request("api/v1/sources")).sources;
export const jobs = async () => (await request("api/v1/jobs")).jobs;
export const job = (name) => request(`api/v1/jobs/${encodeURIComponent(name)}`);
export const me = () => request("api/v1/me");
export const signIn = (token) => post("auth/token", { token });
export const signOut = () => post("auth/logout", {});
export const history = (source, points) => request(`api/v1/sources/${encodeURIComponent(source)}/history?points=${points}`);
export const refresh = (source) => post(`api/v1/sources/${encodeURIComponent(source)}/refresh`, {});
export const start = (job, args) => post(`api/v1/jobs/${encodeURIComponent(job)}/runs`, { args });
export const cancel = (run) => post(`api/v1/runs/${encodeURIComponent(run)}/cancel`, {});

/** What a run has printed since an offset: its text, the next offset, and whether that was all. */
export async function output(run, from) {
  const response = await answered(`api/v1/runs/${encodeURIComponent(run)}/output?from=${from}`, { headers: { Accept: "text/plain, application/json" } });
  const has = (header) => response.headers.get(header) !== null;
  return {
    text: await response.text(), next: Number(response.headers.get("Tidewire-Next")),
    truncated: has("Tidewire-Truncated"), over: has("Tidewire-End"),
  };
}

function post(path, body) {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function request(path, options) {
  const response = await answered(path, options);
  return response.json().catch(() => ({})); // some answers have none
}

/** An answer that is not the gateway's: of a proxy that asks people to sign in again. */
function foreign(status) {
  const problem = new Problem(status, { detail: "The session at the proxy in front of this page has ended. Reload the page to sign in again." });
  problem.foreign = true;
  return problem;
}

/**
 * Whether the gateway gave an answer. It never redirects a request of the page, and never
 * answers it with a page; whatever it refuses, it calls a problem.
 */
function ours(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.type === "opaqueredirect" || type.startsWith("text/html")) return false;
  return ![401, 403].includes(response.status) || type.startsWith("application/problem+json");
}

/** Makes a request and returns what was answered if that is a success. */
async function answered(path, { headers, ...options } = {}) {
  let response;
  try {
    // A proxy that is asked for JSON can say 401; it would send others to its own sign-in.
    response = await fetch(path, { cache: "no-store", redirect: "manual", headers: { Accept: "application/json", ...headers }, ...options });
  } catch {
    throw new Problem(0, { detail: "The server cannot be reached." });
  }
  if (!ours(response)) throw foreign(response.status);
  // Date has whole seconds: only a difference beyond its precision counts.
  const ahead = Date.parse(response.headers.get("Date")) - Date.now();
  skew = Math.abs(ahead) > 2000 ? ahead : 0;
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response;
}
