// Who looks at the page: the name in the head, signing in and out.
//
// Without access to anything, the form stands in place of the lists; somebody
// who may see them without a name opens it with the button in the head. After
// either the page connects anew: what it may show is another matter then.

import * as api from "./api.js";
import { attribute, byId, optional, text } from "./dom.js";

export class Account {
  #ui = byId("account", "account-name", "account-button", "sign-in", "sign-in-form", "sign-in-token", "sign-in-problem", "sign-in-oidc", "sign-in-or", "lists");
  #changed;
  #me = null;
  #out = false; // the server answers 401

  /** `changed` is called when somebody has signed in or out. */
  constructor(changed) {
    this.#changed = changed;
    this.#ui["sign-in-form"].addEventListener("submit", (e) => {
      e.preventDefault();
      this.#signIn();
    });
    this.#ui["account-button"].addEventListener("click", () => this.#me?.session ? this.#signOut() : this.#ask());
    addEventListener("hashchange", () => this.#show());
    this.refresh();
  }

  /** Takes the state of the connection: whoever is signed out, or not any more, may have another name. */
  connection(state) {
    const out = state === "signed-out";
    if (out === this.#out && state !== "live") return;
    this.#out = out;
    this.refresh();
  }

  /** Asks who looks, and shows it. */
  async refresh() {
    try {
      this.#me = await api.me();
    } catch {
      return; // the connection says what is wrong
    }
    this.#show();
  }

  #show() {
    const { name, role, known, session, methods } = this.#me ?? { role: "", methods: [] };
    const out = this.#out || role === "none";
    const asked = out || (location.hash === "#sign-in" && !known);
    optional(this.#ui["account-name"], known ? name : "");
    this.#ui["account-name"].title = known ? `${name} (${role})` : "";
    const button = this.#ui["account-button"];
    button.hidden = asked || !(session || (!known && methods.length > 0));
    text(button, session ? "Sign out" : "Sign in");
    this.#ui.account.hidden = button.hidden && !known;

    this.#ui["sign-in"].hidden = !asked;
    this.#ui.lists.hidden = asked;
    const token = methods.includes("token"), oidc = methods.includes("oidc");
    this.#ui["sign-in-form"].hidden = !token;
    this.#ui["sign-in-oidc"].hidden = !oidc;
    this.#ui["sign-in-or"].hidden = !(token && oidc);
    if (asked && methods.length === 0 && this.#me) this.#problem("There is no way to sign in here: a proxy in front of this page has to say who you are.");
  }

  #ask() {
    location.hash = "#sign-in";
    this.#show();
    this.#ui["sign-in-token"].focus();
  }

  async #signIn() {
    const { "sign-in-token": field } = this.#ui;
    if (!field.value.trim()) return this.#problem("Write or paste a token.");
    try {
      await api.signIn(field.value);
    } catch (problem) {
      this.#problem(problem.status === 401 ? "This token is not known." : problem.message);
      field.select();
      return;
    }
    field.value = "";
    this.#problem("");
    this.#again();
  }

  async #signOut() {
    try {
      await api.signOut();
    } catch {
      return; // still signed in, as the head says
    }
    this.#again();
  }

  #again() {
    history.replaceState(null, "", location.pathname + location.search);
    this.#out = false;
    this.refresh();
    this.#changed();
  }

  #problem(sentence) {
    optional(this.#ui["sign-in-problem"], sentence);
    attribute(this.#ui["sign-in-token"], "aria-invalid", sentence ? "true" : null);
  }
}
