// Writes a view into an element that the server has drawn, or into a copy of a blank that it has.
//
// A view is a plain object: what a component says. Elements name what of it they show:
//
//	<span data-text="age">                         its text is view.age; without one it is empty
//	<a data-attr="href:href title:exact">          its attributes; false, null, "" and what is missing remove one, true makes it empty
//	<b data-attr="aria-disabled:blocked">          is "true", if view.blocked says why
//	<p data-attr="hidden:!more">                   "!" says the opposite
//	<ul data-list="fields" data-item="field">      its children are copies of <template id="field">, one for each of view.fields
//
// "trend.low" is view.trend.low, and "." the view itself, which may be a text or a list. An element of a list that has a `key` keeps its child, so that the focus stays where it is.
// Only what differs is written: what has been written before is remembered, not read.

const bindings = new WeakMap(); // element -> its slots

/** Returns a copy of the element in `<template id=...>`. */
export function blank(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Shows view in node. */
export function fill(node, view) {
  let slots = bindings.get(node);
  if (!slots) bindings.set(node, slots = slotsOf(node));
  for (const slot of slots) {
    const value = slot.not ? !at(view, slot.path) : at(view, slot.path);
    if (slot.list) items(slot, value ?? []);
    else show(slot, value);
  }
}

/** The slots of an element, without those in its lists: they belong to the children of these. */
function slotsOf(root) {
  const slots = [];
  const add = (node) => {
    const { text, attr, list, item } = node.dataset;
    if (text) slots.push({ node, path: pathOf(text), last: node.textContent });
    for (const pair of attr?.split(" ") ?? []) {
      const [name, key] = pair.split(":");
      slots.push({ node, name, not: key.startsWith("!"), path: pathOf(key.replace("!", "")), last: node.getAttribute(name) });
    }
    if (list) slots.push({ node, list: true, item, path: pathOf(list) });
    else for (const child of node.children) add(child);
  };
  add(root);
  return slots;
}

function pathOf(key) {
  return key === "." ? [] : key.split(".");
}

function at(view, path) {
  for (const name of path) view = view?.[name];
  return view;
}

function show(slot, value) {
  const { node, name } = slot;
  const is = name ? attribute(name === "aria-disabled" ? value && "true" : value) : String(value ?? "");
  if (is === slot.last) return;
  slot.last = is;
  if (!name) write(node, is);
  else if (is === null) node.removeAttribute(name);
  else node.setAttribute(name, is);
}

/** Writes a text. A node that has one keeps it: without another child, fewer styles are computed anew. */
function write(node, text) {
  const { firstChild } = node;
  if (text && firstChild?.nodeType === Node.TEXT_NODE && !firstChild.nextSibling) firstChild.nodeValue = text;
  else node.textContent = text;
}

function attribute(value) {
  if (value === true) return "";
  return value === undefined || value === null || value === false || value === "" ? null : String(value);
}

function items({ node, item }, list) {
  const kept = new Map();
  for (const child of node.children) if (child.dataset.key) kept.set(child.dataset.key, child);
  const children = list.map((view, i) => {
    const child = view.key === undefined ? node.children[i] : kept.get(view.key);
    const it = child ?? blank(item);
    if (!child && view.key !== undefined) it.dataset.key = view.key;
    fill(it, view);
    return it;
  });
  arrange(node, children);
}

/** Gives node exactly these children, in this order. What is where it belongs is not moved, and so keeps its focus. */
export function arrange(node, children) {
  const wanted = new Set(children);
  for (const child of [...node.children]) if (!wanted.has(child)) child.remove();
  let next = node.firstElementChild;
  for (const child of children) {
    if (child === next) next = next.nextElementSibling;
    else if (node.moveBefore && child.parentNode === node) node.moveBefore(child, next);
    else node.insertBefore(child, next);
  }
}
