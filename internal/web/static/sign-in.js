// Signed out in place: when a session ends while a page is open, the form to sign in comes over it, also over a dialog with
// something half written. After signing in as the same person the page goes on where it was.

import { documentOf, fragmentOf, showDialog } from "./document.js";
import { seconds } from "./words.js";

const root = document.documentElement.dataset.root;
let dialog = null, opening = false;
let formless = false; // there is no form to be had, such as where a proxy in front has ended its session
let dismissed = false; // somebody wants to see what is behind

/**
 * Called again and again: whether the stream says that whoever looks is signed out, since when, and what is to go on afterwards.
 * Returns whether there is no form to be had: then there is no connection, whoever looks.
 */
export function signedOut(is, since, again) {
  if (!is) {
    dismissed = formless = false;
    if (dialog?.stream) dialog.node.close(); // in another tab
  } else if (!dismissed) askToSignIn(again, since, true);
  return formless;
}

/** Asks who looks to sign in. `again` is called when the same person has. */
export async function askToSignIn(again, since = Date.now(), stream = false) {
  if (dialog || opening) return;
  opening = true;
  let fragment = null;
  try {
    const back = encodeURIComponent(location.pathname.slice(new URL(root || "./", location.href).pathname.length - 1) + location.search + location.hash);
    fragment = fragmentOf((await documentOf(`${root}auth/login?return=${back}`)).document);
  } catch { /* it is asked for again */ }
  opening = false;
  if (stream) formless = !fragment;
  if (!fragment || dialog) return;
  fragment.querySelector("h1").textContent = "Signed out";
  const rest = fragment.querySelector(".rest");
  rest.hidden = false;
  rest.textContent = `Your session has ended. Sign in, and you are back here; what is behind this stopped at ${seconds(since)}.`;
  dialog = { node: showDialog(fragment), stream };
  dialog.node.addEventListener("close", () => {
    dialog = null;
    dismissed = true;
  });
  fragment.querySelector("form[data-sign-in]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    signIn(event.target, again);
  });
}

async function signIn(form, again) {
  const field = form.elements.token, why = form.parentNode.querySelector("[role=alert]");
  const tell = (text) => {
    why.textContent = text;
    why.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.select();
  };
  try {
    const answer = await fetch(form.action, { method: "POST", body: JSON.stringify({ token: field.value }), headers: { "Content-Type": "application/json", Accept: "application/json" } });
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 401) return tell("This token is not valid.");
    if (!answer.ok) return tell(said.detail ?? answer.statusText);
    field.value = "";
    dialog?.node.close();
    if (said.name !== document.querySelector(".account b")?.textContent) return location.reload(); // they may do other things
    again?.();
  } catch {
    tell("The server does not answer.");
  }
}
