// The user of the page: the name in the head, signing in and out.
//
// Without any access, the sign-in form replaces the lists; anonymous users who may see the lists open it with the
// button in the head. After signing in or out the page reconnects, since its rights have changed.

import * as api from "./api.js";
import { attribute, byId, glyph, optional, text } from "./dom.js";
import { printable } from "./format.js";

export class Account {
  #ui = byId("account-button", "account-menu", "account-name", "account-role", "sign-out", "sign-in", "sign-in-form", "sign-in-token", "sign-in-problem", "sign-in-oidc", "sign-in-or", "lists");
  #changed; #known;
  #me = null;
  #out = false; // the server answers 401
  #lapsed = false; // the session at a proxy has ended, which the page says
  #leaving = false; // signing out is in progress
  #another = false; // the user has signed out, and may want another account

  /** `changed` is called after signing in or out, `known` when the user of the page is known. */
  constructor(changed, known) {
    this.#changed = changed;
    this.#known = known;
    this.#ui["sign-in-form"].addEventListener("submit", (e) => {
      e.preventDefault();
      this.#signIn();
    });
    this.#ui["account-button"].addEventListener("click", () => this.#me?.known ? this.#open() : this.#ask());
    this.#ui["sign-out"].addEventListener("click", () => this.#signOut());
    addEventListener("hashchange", () => this.#show());
    this.refresh();
  }

  /** Takes the state of the connection: after signing out, or in again, the user may be another one. */
  connection(state) {
    const out = state === "signed-out";
    const lost = state === "reconnecting"; // possibly because of a proxy
    if (out === this.#out && state !== "live" && !lost) return;
    this.#out = out;
    this.refresh();
  }

  /** Called when a request was refused because the user is not signed in: the session may have ended. */
  refused() {
    if (this.#me?.known) this.refresh();
  }

  /** Asks for the user of the page, and shows it. */
  async refresh() {
    let over = this.#me?.known && !this.#leaving; // signing out ends the streams, so the page asks meanwhile
    try {
      this.#me = await api.me();
    } catch (problem) {
      if (!problem.foreign) return; // the connection shows what is wrong
      this.#ended(problem.message);
      return;
    }
    if (this.#lapsed) this.#problem("");
    this.#lapsed = false;
    this.#show();
    over &&= !this.#me.known && !this.#leaving;
    if (over) this.#expired();
    this.#known();
  }

  /** Shows that the session has ended, in place of anything that was open. */
  #expired() {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    if (this.#me.role !== "none") location.hash = "#sign-in";
    this.#show();
    this.#problem("Your session has ended. Sign in again.");
    this.#ui["sign-in-token"].focus();
  }

  /** Why the user may not do what an operator may, or "". */
  get refusal() {
    const { name, role, known, methods } = this.#me ?? {};
    if (role !== "viewer" && role !== "none") return "";
    if (known) return `${name} may view but not act: the role is ${role}.`;
    return methods.length ? "Sign in to do this." : "Anonymous visitors may view but not act.";
  }

  #show() {
    const { name, role, known, session, methods } = this.#me ?? { role: "", methods: [] };
    const out = this.#out || role === "none";
    const asked = out || (location.hash === "#sign-in" && !known);
    const button = this.#ui["account-button"];
    button.hidden = asked || !(known || methods.length > 0);
    glyph(button, known ? "person" : "locked");
    text(button.lastElementChild, known ? printable(name) : "Sign in");
    attribute(button, "aria-haspopup", known ? "dialog" : null);
    text(this.#ui["account-name"], known ? printable(name) : "");
    text(this.#ui["account-role"], role);
    this.#ui["sign-out"].hidden = !session;
    if (button.hidden) this.#ui["account-menu"].hidePopover();

    this.#ui["sign-in"].hidden = !asked;
    this.#ui.lists.hidden = asked;
    const token = methods.includes("token"), oidc = methods.includes("oidc");
    this.#ui["sign-in-form"].hidden = !token;
    this.#ui["sign-in-oidc"].hidden = !oidc;
    attribute(this.#ui["sign-in-oidc"], "href", `auth/oidc?${this.#visit()}`);
    this.#ui["sign-in-or"].hidden = !(token && oidc);
    if (asked && methods.length === 0 && this.#me) this.#problem("You cannot sign in here: a proxy in front of this page has to identify you.");
  }

  /** How to sign in at the provider: back to this place, and with a choice after signing out. */
  #visit() {
    const hash = location.hash === "#sign-in" ? "" : location.hash;
    const visit = new URLSearchParams({ return: `/${location.search}${hash}`.slice(0, 1000) });
    if (this.#another) visit.set("prompt", "select_account");
    return visit;
  }

  /** Shows that the page has nothing to show any more, and why. */
  #ended(sentence) {
    this.#lapsed = true;
    this.#ui["sign-in"].hidden = false;
    this.#ui["sign-in-form"].hidden = this.#ui["sign-in-oidc"].hidden = this.#ui["sign-in-or"].hidden = true;
    this.#problem(sentence);
  }

  /** Opens the menu below its button. */
  #open() {
    const { "account-menu": menu, "account-button": button } = this.#ui;
    menu.togglePopover();
    const { bottom, right } = button.getBoundingClientRect();
    menu.style.insetBlockStart = `${bottom + 6}px`;
    menu.style.left = `${Math.max(8, right - menu.offsetWidth)}px`;
  }

  #ask() {
    location.hash = "#sign-in";
    this.#show();
    this.#ui["sign-in-token"].focus();
  }

  async #signIn() {
    const { "sign-in-token": field } = this.#ui;
    if (!field.value.trim()) return this.#problem("Enter a token.");
    try {
      await api.signIn(field.value);
    } catch (problem) {
      this.#problem(problem.status === 401 ? "This token is not valid." : problem.message);
      field.select();
      return;
    }
    field.value = "";
    this.#problem("");
    this.#again();
  }

  async #signOut() {
    let provider;
    this.#leaving = true;
    try {
      provider = (await api.signOut()).end_session;
    } catch {
      this.#leaving = false;
      return; // still signed in, as shown in the head
    }
    this.#ui["account-menu"].hidePopover();
    if (provider) return location.assign(provider); // which leads back here
    this.#another = true;
    this.#again();
  }

  #again() {
    history.replaceState(null, "", location.pathname + location.search);
    this.#out = false;
    this.refresh().then(() => { this.#leaving = false; });
    this.#changed();
  }

  #problem(sentence) {
    optional(this.#ui["sign-in-problem"], sentence);
    attribute(this.#ui["sign-in-token"], "aria-invalid", sentence ? "true" : null);
  }
}
