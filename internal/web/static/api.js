// The gateway's HTTP API: JSON in, JSON out, failures as Problem. Addresses are
// relative to the root of the gateway, which may be below any path.

import * as clock from "./clock.js";
import { parse } from "./json.js";

const root = document.documentElement.dataset.root ?? ""; // the way from the page to the root of the gateway
const PATIENCE = 30_000; // ms that an answer may take: a dead connection gives neither an answer nor an error

/** A request that failed: the status and the detail of problem+json, or the reason why there was no answer. */
class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.foreign = false; // a proxy in front answered, not the gateway
  }
}

export const sources = async () => (await request("api/v1/sources")).sources;
export const trends = () => request("api/v1/trends");
export const jobs = async () => (await request("api/v1/jobs")).jobs;
export const job = (name) => request(`api/v1/jobs/${encodeURIComponent(name)}`);
export const me = () => request("api/v1/me");
export const numbers = (source, query) => request(`api/v1/sources/${encodeURIComponent(source)}/history?${new URLSearchParams(query)}`);

async function request(path) {
  return read(await answered(path));
}

/** The content of an answer, which may be empty. */
async function read(response) {
  try {
    return parse(await response.text());
  } catch {
    return {};
  }
}

/** An answer that is not from the gateway but from a proxy that asks people to sign in again. */
export function foreign(status) {
  const problem = new Problem(status, { detail: "The session at the proxy in front of this page has ended. Reload the page to sign in again." });
  problem.foreign = true;
  return problem;
}

/**
 * Whether the gateway gave an answer. It never redirects a request of the page, and never
 * answers it with a page; whatever it refuses, it calls a problem.
 */
export function ours(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.type === "opaqueredirect" || type.startsWith("text/html")) return false;
  return ![401, 403].includes(response.status) || type.startsWith("application/problem+json");
}

/** Makes a request and returns the content of the answer if that is a success. */
async function answered(path) {
  const sent = Date.now();
  let response;
  try {
    // A proxy that is asked for JSON can answer 401; otherwise it would redirect to its own sign-in.
    response = await fetch(root + path, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PATIENCE), headers: { Accept: "application/json" } });
  } catch ({ name }) {
    throw new Problem(0, { detail: name === "TimeoutError" ? "The server does not answer." : "The server cannot be reached." });
  }
  if (!ours(response)) throw foreign(response.status);
  clock.learn(response.headers.get("Date"), sent, Date.now());
  if (!response.ok) throw new Problem(response.status, await read(response));
  return response;
}
