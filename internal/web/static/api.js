// The gateway's HTTP API: JSON in, JSON out, failures as Problem. Addresses are
// relative to the root of the gateway, which may be below any path.

import * as clock from "./clock.js";
import { parse } from "./json.js";

const root = document.documentElement.dataset.root ?? ""; // the way from the page to the root of the gateway
const TOKEN = "auth/token"; // where 401 means that a token is wrong
const PATIENCE = 30_000; // ms that an answer may take: a dead connection gives neither an answer nor an error

let refused = () => {};

/** Sets `f` to be called when the server answers that the user is not signed in, or no longer. */
export function onRefused(f) {
  refused = f;
}

/** A request that failed: the members of problem+json, or the reason why there was no answer. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.errors = body.errors ?? []; // [{pointer: "#/args/subnet", detail}]
    this.run = body.run ?? ""; // the run that is in the way
    this.retryAfter = body.retry_after ?? 0; // in s; 0: unknown
    this.foreign = false; // a proxy in front answered, not the gateway
  }
}

export const sources = async () => (await request("api/v1/sources")).sources;
export const trends = () => request("api/v1/trends");
export const jobs = async () => (await request("api/v1/jobs")).jobs;
export const job = (name) => request(`api/v1/jobs/${encodeURIComponent(name)}`);
export const me = () => request("api/v1/me");
export const signIn = (token) => post(TOKEN, { token });
export const signOut = () => post("auth/logout", {});
export const history = (source, points) => request(`api/v1/sources/${encodeURIComponent(source)}/history?points=${points}`);
export const numbers = (source, query) => request(`api/v1/sources/${encodeURIComponent(source)}/history?${new URLSearchParams(query)}`);
export const refresh = (source) => post(`api/v1/sources/${encodeURIComponent(source)}/refresh`, {});
export const start = (job, args) => post(`api/v1/jobs/${encodeURIComponent(job)}/runs`, { args });
export const cancel = (run) => post(`api/v1/runs/${encodeURIComponent(run)}/cancel`, {});
export const alerts = () => request("api/v1/alerts");
export const silence = (what) => post("api/v1/silences", what); // {of, for or until, reason}
export const endSilence = (id) => request(`api/v1/silences/${encodeURIComponent(id)}`, { method: "DELETE" });
export const acknowledge = (of, reason) => post("api/v1/alerts/acknowledge", { of, reason });

/** The output of a run from an offset on: its text, the next offset, and whether that was all. */
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
  return read(response);
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
async function answered(path, { headers, ...options } = {}) {
  const sent = Date.now();
  let response;
  try {
    // A proxy that is asked for JSON can answer 401; otherwise it would redirect to its own sign-in.
    const wanted = { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PATIENCE), headers: { Accept: "application/json", ...headers } };
    response = await fetch(root + path, { ...wanted, ...options });
  } catch ({ name }) {
    throw new Problem(0, { detail: name === "TimeoutError" ? "The server does not answer." : "The server cannot be reached." });
  }
  if (!ours(response)) throw foreign(response.status);
  clock.learn(response.headers.get("Date"), sent, Date.now());
  if (!response.ok) {
    if (response.status === 401 && path !== TOKEN) refused();
    throw new Problem(response.status, await read(response));
  }
  return response;
}
