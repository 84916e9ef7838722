/**
 * Builds elements. Text comes in as text only: nothing here, nor anywhere in this page, reads HTML.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an HTML element.
 *
 * @param {string} tag
 * @param {Object<string, unknown>} [props] attributes; `on` has listeners, `data` has data attributes. False, null and
 *   undefined leave an attribute out.
 * @param {...(Node|string|null|undefined|false)} children strings become text nodes.
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/**
 * Makes an SVG element.
 *
 * @param {string} tag
 * @param {Object<string, unknown>} [props]
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {SVGElement}
 */
export function svg(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (name === "on") return Object.entries(value).forEach(([kind, listener]) => node.addEventListener(kind, listener));
  if (name === "data") return void Object.assign(node.dataset, value);
  // A name of the data can't become a script, a style or an address, even if this page had a mistake.
  if (/^(on|style$|src)/i.test(name)) throw new Error(`no attribute ${name} here`);
  if (name === "href" && !String(value).startsWith("#")) throw new Error("only addresses within this page");
  if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
}

/**
 * Writes a text where it differs, so that what hasn't changed isn't touched: selections stay.
 *
 * @param {Node} node
 * @param {string} text
 * @returns {boolean} whether it differed.
 */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/**
 * Writes an attribute where it differs.
 *
 * @param {Element} node
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) set(node, name, value);
}

/**
 * Draws an icon of 16 by 16 from the data of a path.
 *
 * @param {string} path
 * @returns {SVGElement}
 */
export function icon(path) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: path }),
  );
}

/** The data of the icons' paths. */
export const ICONS = {
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  check: "m3 8.5 3.2 3.2L13 5",
  minus: "M3.5 8h9",
  plus: "M3.5 8h9M8 3.5v9",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  close: "m4 4 8 8M12 4l-8 8",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.2l2 1.3",
};

/**
 * Shows for a moment that a value has changed, if the user's system allows motion.
 *
 * @param {Element} node
 * @param {"quiet"|"strong"} [how] by the colour of the text, or by a ring around it.
 */
export function flash(node, how = "quiet") {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  if (how === "quiet") node.animate([{ color: "var(--accent)" }, {}], { duration: 900, easing: "ease-in" });
  else node.animate([{ boxShadow: "0 0 0 3px var(--accent-line)" }, { boxShadow: "0 0 0 12px transparent" }], { duration: 900, easing: "ease-out" });
}
