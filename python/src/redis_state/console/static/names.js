/**
 * Names and keys as people see them. They are anybody's bytes: each character that would hide, reorder or break the text
 * around it is shown as a picture of itself.
 *
 * A byte that isn't UTF-8 arrives as a lone surrogate U+DC80 to U+DCFF, as Python's surrogateescape has it.
 */

import { h } from "./dom.js";

// Controls, lone surrogates, and what is invisible or turns the direction of the text. \s covers the odd spaces.
const ODD =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{e0000}-\u{e0fff}]/u;
const ODDS = new RegExp(`(${ODD.source})`, "gu");
// Not the control pictures of Unicode, which many fonts lack.
const ESCAPES = { 9: "\\t", 10: "\\n", 13: "\\r" };
const EDGE_SPACES = /^\s+|\s+$/gu;

/**
 * Returns the text as it can be shown anywhere: in an attribute, in a label of a picture, in a title.
 *
 * @param {string} text
 * @param {number} [most] how many characters to show; the rest is an ellipsis.
 * @returns {string}
 */
export function shown(text, most = Infinity) {
  if (text === "") return "(empty)";
  const cut = [...text].length > most ? [...text].slice(0, most).join("") + "…" : text;
  return cut.replace(EDGE_SPACES, openSpaces).replace(ODDS, picture);
}

/**
 * Makes an element that shows a name, isolated from the direction of the text around it.
 *
 * @param {string} text
 * @param {string} [kind] a class.
 * @returns {HTMLElement}
 */
export function nameNode(text, kind = "") {
  const node = h("bdi", { class: `name ${kind}` });
  setName(node, text);
  return node;
}

/**
 * Writes a name into an element of `nameNode`, if it is another one.
 *
 * @param {HTMLElement} node
 * @param {string} text
 * @returns {boolean} whether it was another one.
 */
export function setName(node, text) {
  if (node.dataset.name === text && node.childNodes.length) return false;
  node.dataset.name = text;
  node.title = text.length > 24 ? shown(text, 500) : "";
  node.classList.toggle("is-empty", text === "");
  node.replaceChildren(...(text === "" ? ["(empty)"] : pieces(text)));
  return true;
}

function pieces(text) {
  // The odd ones are at the odd places, since `split` keeps what the group has matched.
  const parts = text.replace(EDGE_SPACES, openSpaces).split(ODDS);
  return parts.map((part, place) => (place % 2 ? h("span", { class: "odd" }, picture(part)) : part));
}

function openSpaces(spaces) {
  return spaces.replaceAll(" ", "␣");
}

function picture(char) {
  const code = char.codePointAt(0);
  if (code in ESCAPES) return ESCAPES[code];
  if (code < 0x80) return hex(code);
  if (code >= 0xdc80 && code <= 0xdcff) return hex(code - 0xdc00);
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function hex(code) {
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

/**
 * Returns a name as a part of an address's fragment: its bytes, percent-encoded.
 *
 * @param {string} text
 * @returns {string}
 */
export function toFragment(text) {
  return [...text].map(encoded).join("");
}

function encoded(char) {
  const code = char.codePointAt(0);
  if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
  if (code >= 0xd800 && code <= 0xdfff) return "%EF%BF%BD";
  return encodeURIComponent(char);
}

/**
 * Reads a name from a part of an address's fragment. It is the inverse of `toFragment`.
 *
 * @param {string} part
 * @returns {string}
 */
export function fromFragment(part) {
  const bytes = [];
  for (const piece of part.match(/%[0-9a-f]{2}|[^]/giu) ?? []) {
    if (/^%[0-9a-f]{2}$/i.test(piece)) bytes.push(parseInt(piece.slice(1), 16));
    else bytes.push(...new TextEncoder().encode(piece));
  }
  return decoded(Uint8Array.from(bytes));
}

function decoded(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = charLength(bytes, at);
    text += length ? utf8(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + bytes[at]);
    at += length || 1;
  }
  return text;
}

function charLength(bytes, at) {
  const lead = bytes[at];
  const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && utf8(bytes.subarray(at, at + length)) !== null ? length : 0;
}

function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
