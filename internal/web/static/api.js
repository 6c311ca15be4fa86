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
  }
}

export const sources = async () => (await request("api/v1/sources")).sources;
export const jobs = async () => (await request("api/v1/jobs")).jobs;
export const me = () => request("api/v1/me");
export const signIn = (token) => post("auth/token", { token });
export const signOut = () => post("auth/logout", {});
export const history = (source, points) => request(`api/v1/sources/${encodeURIComponent(source)}/history?points=${points}`);
export const start = (job, args) => post(`api/v1/jobs/${encodeURIComponent(job)}/runs`, { args });
export const cancel = (run) => post(`api/v1/runs/${encodeURIComponent(run)}/cancel`, {});

function post(path, body) {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Problem(0, { detail: "The server cannot be reached." });
  }
  // Date has whole seconds: only a difference beyond its precision counts.
  const ahead = Date.parse(response.headers.get("Date")) - Date.now();
  skew = Math.abs(ahead) > 2000 ? ahead : 0;
  const body = await response.json().catch(() => ({})); // some answers have none
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}
