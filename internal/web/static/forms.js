// Forms that are sent without leaving the page, and forms in dialogs.
//
//	<form method="post" data-form>             is sent by a request; the answer says where the result is seen, or what is wrong
//	<a href="jobs/scan/run" data-dialog>       opens what has data-fragment on that page as a dialog
//	<form class="act">                         is either of them, by its method
//	<form data-form data-stay>                 stays on the page that it is on, which shows the result
//	<p data-problem="arg.subnet" hidden>       says what is wrong with the field of that name
//
// Without a script all of them are forms and links.

import { foreign, ours } from "./api.js";
import { busy } from "./busy.js";
import { documentOf, fragmentOf, showDialog } from "./document.js";
import { askToSignIn } from "./sign-in.js";
import { localise } from "./times.js";

/** What is wrong with each field by its name, and what else is. */
function problems(body, form) {
  const rest = [], fields = new Map();
  for (const { pointer, detail } of body.errors ?? []) {
    const parts = (pointer ?? "").split("/").slice(1).map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
    const name = parts[0] === "args" ? `arg.${parts[1]}` : parts[0];
    if (name && form.querySelector(`[data-problem="${CSS.escape(name)}"]`)) fields.set(name, detail);
    else rest.push(detail);
  }
  if (fields.size === 0 && rest.length === 0) rest.push(body.detail ?? "");
  return { fields, rest };
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Says in a form what is wrong. Of a job that is busy, again() sends the form when it is not any more. */
function tell(form, body, again) {
  const { fields, rest } = problems(body, form);
  let wrong = null;
  for (const node of form.querySelectorAll("[data-problem]")) {
    const named = form.elements[node.dataset.problem], field = named instanceof RadioNodeList ? named[0] : named, text = fields.get(node.dataset.problem);
    node.textContent = text ? sentence(text) : "";
    node.hidden = !text;
    if (!field) continue;
    if (text) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    if (text) wrong ??= field;
  }
  let message = form.querySelector(":scope > [role=alert]");
  if (!message && rest.length) {
    message = document.createElement("p");
    message.className = "invalid state";
    message.dataset.state = "failing";
    message.setAttribute("role", "alert");
    form.prepend(message);
  }
  if (rest.length) message.textContent = rest.map(sentence).join(" ");
  else message?.remove();
  if (rest.length && body.run) busy(form, message, body.run, again);
  wrong?.focus();
}

/** A key by which a request that is repeated is known. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

async function send(form, submitter, page) {
  if (form.dataset.sending !== undefined || submitter?.ariaDisabled === "true") return;
  form.dataset.sending = "";
  const fields = new FormData(form, submitter);
  const body = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", headers: { Accept: "application/json", "Idempotency-Key": form.dataset.sendKey ??= newKey() } });
    const said = await answer.json().catch(() => ({}));
    if (!ours(answer)) tell(form, { detail: foreign(answer.status).message });
    else if (answer.ok) {
      const to = new URL(said.location ?? "", location.href);
      form.closest("dialog")?.close();
      const here = to.pathname === location.pathname && to.search === location.search;
      if (here || form.dataset.stay !== undefined) page?.renew?.();
      else if (!page?.stays) location.assign(to);
    } else if (answer.status === 401) askToSignIn(() => page?.renew?.());
    else tell(form, said.detail ? said : { detail: answer.statusText }, () => send(form, submitter, page));
    delete form.dataset.sendKey; // another attempt is another request
  } catch {
    tell(form, { detail: "the server does not answer: what was asked may have been done. To try again does it once." });
  }
  delete form.dataset.sending;
}

/** Opens the form at an address. */
async function open(address) {
  let fragment = null;
  try {
    fragment = fragmentOf((await documentOf(address)).document);
  } catch { /* the link is followed */ }
  if (!fragment) {
    location.assign(address);
    return;
  }
  localise(fragment);
  showDialog(fragment);
}

/**
 * Sends forms and opens dialogs from now on. `page`, if there is one, is renewed when the result of a form is seen on it; one that
 * `stays` shows every result by itself.
 */
export function forms(page) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const isAct = form.classList.contains("act");
    if (form.dataset.form === undefined && !isAct || event.defaultPrevented) return;
    event.preventDefault();
    if (form.method === "post") send(form, event.submitter, page);
    else if (event.submitter?.ariaDisabled !== "true") open(`${form.action}?${new URLSearchParams(new FormData(form))}`);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const close = event.target.closest("dialog [data-close]");
    const link = event.target.closest("a[data-dialog]");
    if (!close && !link) return;
    event.preventDefault();
    if (close) close.closest("dialog").close();
    else open(link.href);
  });
}
