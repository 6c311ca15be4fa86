// Small helpers over the DOM. Text enters the document through textContent
// alone, and every write happens in the page's one animation frame (app.js).

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

/** Sets the text of node if it differs; null and undefined are no text. */
export function text(node, value) {
  const next = value ?? "";
  if (node.textContent !== next) node.textContent = next;
  return next;
}

/** Like text, and hides the node while there is none. */
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
  #parent; #create; #views = new Map();

  constructor(parent, create) {
    this.#parent = parent;
    this.#create = create;
  }

  /** Shows the items of a map, in its order, and nothing else. */
  show(items) {
    for (const [key, view] of this.#views) {
      if (items.has(key)) continue;
      view.node.remove();
      this.#views.delete(key);
    }
    let at = this.#parent.firstElementChild;
    for (const [key, item] of items) {
      let view = this.#views.get(key);
      if (!view) this.#views.set(key, view = this.#create(key));
      if (view.node === at) at = at.nextElementSibling;
      else this.#parent.insertBefore(view.node, at);
      view.update(item);
    }
  }
}
