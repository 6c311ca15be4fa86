// Other pages of the gateway, as documents.

import * as clock from "./clock.js";

function fetched(url) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document"; // unlike text, that is a document without a script, also by the policy of the page
    request.timeout = 15_000;
    request.onload = () => resolve(request);
    request.onerror = request.ontimeout = () => reject(new Error("no answer"));
    request.send();
  });
}

/** Requests a document, with its status. */
export async function documentOf(url) {
  const sent = Date.now();
  const request = await fetched(url);
  clock.learn(request.getResponseHeader("Date") ?? "", sent, Date.now());
  return { status: request.status, document: request.response, tag: request.getResponseHeader("ETag") };
}

/** The part of a document that is shown in a dialog, as a part of this document; null: it has none. */
export function fragmentOf(other) {
  const fragment = other?.querySelector("[data-fragment]");
  if (!fragment) return null;
  for (const node of fragment.querySelectorAll("form[action]")) node.setAttribute("action", node.action); // relative to where it was
  for (const node of fragment.querySelectorAll("a[href]")) node.setAttribute("href", node.href);
  return document.adoptNode(fragment);
}

/** Shows a fragment as a dialog, which is gone when it is closed. */
export function showDialog(fragment) {
  const dialog = document.createElement("dialog");
  dialog.append(fragment);
  const title = fragment.querySelector("h1");
  title.id = `dialog-title-${document.querySelectorAll("dialog").length}`; // one may be over another
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (fragment.querySelector("[aria-invalid=true]") ?? fragment.querySelector("input:not([type=hidden]), select, button"))?.focus();
  return dialog;
}
