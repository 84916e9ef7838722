/**
 * Lists of machines: the key, the state, and a time that goes on.
 */

import { clock } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { KeyedList } from "./list.js";
import { nameNode, setName } from "./names.js";
import { machineLink } from "./router.js";
import { countdown, inFull, span } from "./time.js";

/** A section with a list of machines. */
export class MachineList {
  #list;

  /**
   * @param {object} options
   * @param {string} options.title
   * @param {string} options.testid
   * @param {"since"|"due"} options.time which time a row shows.
   * @param {string} options.none what to say if there are none.
   */
  constructor({ title, testid, time, none }) {
    const id = `${testid}-title`;
    this.title = h("h2", { id }, title);
    this.aside = h("div", { class: "card-aside" });
    this.list = h("ol", { class: "machines" });
    this.none = h("p", { class: "none", hidden: true }, none);
    this.foot = h("div", { class: "card-foot", hidden: true });
    this.node = h(
      "section",
      { class: "card", data: { testid }, "aria-labelledby": id },
      h("div", { class: "card-head" }, this.title, this.aside),
      this.list,
      this.none,
      this.foot,
    );
    this.#list = new KeyedList(this.list, (item) => item.key, () => machineRow(time));
  }

  /** @returns {number} how many machines are shown. */
  get size() {
    return this.#list.size;
  }

  /**
   * Shows these machines.
   *
   * @param {object[]} machines as the API has them.
   * @param {boolean} [known] whether none really means none.
   */
  show(machines, known = true) {
    this.#list.show(machines);
    this.none.hidden = machines.length > 0 || !known;
  }

  /** Shows the times anew. */
  tick() {
    this.#list.tick();
  }
}

function machineRow(time) {
  const key = nameNode("", "key");
  const state = nameNode("", "chip");
  const to = h("span", { class: "to" });
  const when = h("span", { class: "when", data: { testid: "machine-when" } });
  const link = h("a", { class: "machine-link" }, key, h("span", { class: "states" }, state, to), when);
  const node = h("li", { class: "machine-row", data: { testid: "machine-row" } }, link);
  let machine = null;
  const tick = () => showTime(when, machine, time);
  const update = (next) => {
    machine = next;
    node.dataset.key = next.key;
    setName(key, next.key);
    setName(state, next.state);
    setAttribute(link, "href", machineLink(next.key));
    if (time === "due") showTarget(to, next.due_to);
    tick();
  };
  return { node, update, tick };
}

function showTarget(node, target) {
  if (node.dataset.to === String(target)) return;
  node.dataset.to = String(target);
  const end = target === null || target === undefined ? h("em", null, "deleted") : nameNode(target, "chip is-next");
  node.replaceChildren(h("span", { class: "arrow", "aria-label": "to" }, "→"), end);
}

function showTime(node, machine, time) {
  const at = machine[time];
  const known = at !== null && at !== undefined;
  setText(node, !known ? "" : time === "due" ? countdown(at, clock.now()) : span(clock.now() - at));
  node.classList.toggle("is-late", known && time === "due" && at <= clock.now());
  setAttribute(node, "title", known ? inFull(at) : "");
}
