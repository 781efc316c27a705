// Elements are made here and nowhere else. Text goes in as text nodes, so that nothing from an answer, a document or
// a file name is ever read as HTML.

/** Make an HTML element. `attributes.on` maps events to listeners; null, undefined and false leave an attribute out. */
export function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element, with the same rules. */
export function drawing(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Show or hide an element. */
export function show(node, visible) {
  node.hidden = !visible;
}

/** Say something to screen readers without showing it. */
export function announce(message) {
  byId("announcer").textContent = message;
}

function furnish(node, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
