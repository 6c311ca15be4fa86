// Small helpers over the DOM. Text enters the document only through textContent, and every write happens in the page's
// one animation frame (app.js).

/** Returns the elements with the given ids: `const {search} = byId("search")`. */
export function byId(...ids) {
  return Object.fromEntries(ids.map((id) => [id, document.getElementById(id)]));
}

/** Returns a copy of the one element inside `<template id=...>`. */
export function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Makes an element with attributes and children; strings become text. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Sets the text of node if it differs; anything but a string counts as empty. */
export function text(node, value) {
  const next = typeof value === "string" ? value : "";
  if (node.textContent !== next) node.textContent = next;
  return next;
}

/** Like text, but hides the node while the text is empty. */
export function optional(node, value) {
  node.hidden = text(node, value) === "";
}

/** Sets an attribute of node if it differs; null removes it. */
export function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Shows the glyph with the given symbol id in node's <svg>. */
export function glyph(node, symbol) {
  attribute(node.querySelector("use"), "href", "#" + symbol);
}

/**
 * The children of one element, kept by key: they move, are updated and leave,
 * but are never built twice, so that focus, selection and open details survive
 * every change. `create` makes a view: an object with its `node` and an
 * `update(item)`.
 */
export class List {
  #parent; #create; #home; #views = new Map();

  /** `home` gets the focus when the focused element is removed and no other is left. */
  constructor(parent, create, home) {
    this.#parent = parent;
    this.#create = create;
    this.#home = home;
  }

  /** Shows exactly the items of a map, in its order. */
  show(items) {
    const left = this.#remove(items);
    let at = this.#parent.firstElementChild;
    for (const [key, item] of items) {
      let view = this.#views.get(key);
      if (!view) this.#views.set(key, view = this.#create(key));
      if (view.node === at) at = at.nextElementSibling;
      else this.#parent.insertBefore(view.node, at);
      view.update(item);
    }
    if (left >= 0) this.#focus(left);
  }

  /** Removes elements that are not among the items, and returns the index of the one that had the focus, or -1. */
  #remove(items) {
    let left = -1;
    for (const [key, { node }] of this.#views) {
      if (items.has(key)) continue;
      if (node.contains(document.activeElement)) left = [...this.#parent.children].indexOf(node);
      node.remove();
      this.#views.delete(key);
    }
    return left;
  }

  /** Moves the focus to where the removed element was, so that keyboard users do not start again at the top. */
  #focus(place) {
    const { children } = this.#parent;
    const next = children[Math.min(place, children.length - 1)];
    const controls = [...(next?.querySelectorAll("button, summary, [tabindex]") ?? [])];
    (controls.find((n) => n.checkVisibility()) ?? this.#home).focus();
  }
}
