/**
 * Tells what has happened: to those who hear the page, and to those who see it.
 */

const SHOWN_FOR = 6000;
let timer = null;

/**
 * Says a text to screen readers when they have finished speaking.
 *
 * @param {string} text
 */
export function announce(text) {
  const node = document.getElementById("announcer");
  // The same text twice would not be a change, and not be said.
  node.textContent = node.textContent === text ? `${text}\u00a0` : text;
}

/**
 * Shows a text for some seconds, and says it.
 *
 * @param {string} text
 * @param {"good"|"bad"} [kind]
 */
export function toast(text, kind = "good") {
  const node = document.getElementById("toast");
  node.textContent = text;
  node.dataset.kind = kind;
  node.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (node.hidden = true), SHOWN_FOR);
  announce(text);
}
