/**
 * The machines of one state, some at a time.
 */

import { ask } from "./api.js";
import { h, icon, ICONS, setAttribute, setText } from "./dom.js";
import { nameNode, setName } from "./names.js";
import { MachineList } from "./rows.js";
import { counted } from "./time.js";

const ENOUGH = 25;

/** A section that opens for a state. */
export class StateList {
  #wanted = null;
  #machines = new Map();
  #cursor = null;
  #busy = false;

  /** @param {function(): string} closed the address without the list. */
  constructor(closed) {
    this.closed = closed;
    this.list = new MachineList({ title: "", testid: "state-list", time: "since", none: "No machine is in this state now." });
    this.node = this.list.node;
    this.state = nameNode("", "chip");
    this.list.title.append("Machines in ", this.state);
    this.list.title.tabIndex = -1;
    this.link = h("a", { class: "tool", "aria-label": "Close this list", title: "Close this list", data: { testid: "close-list" }, href: "#/" }, icon(ICONS.close));
    this.list.aside.append(this.link);
    this.more = h("button", { type: "button", data: { testid: "more" }, on: { click: () => this.#page(ENOUGH) } }, "More");
    this.count = h("span", { class: "walk", role: "status" });
    this.list.foot.append(this.count, this.more);
    this.node.hidden = true;
  }

  /**
   * Lists the machines of a state.
   *
   * @param {string} name of the fleet.
   * @param {number|null} revision
   * @param {string} state
   */
  open(name, revision, state) {
    this.#wanted = { name, revision, state };
    this.#machines.clear();
    this.#cursor = null;
    this.#busy = false;
    this.node.hidden = false;
    setName(this.state, state);
    setAttribute(this.link, "href", this.closed());
    this.list.show([], false);
    this.#page(ENOUGH);
  }

  /** Closes it. */
  close() {
    this.#wanted = null;
    this.node.hidden = true;
  }

  /**
   * Goes to the list if it is open, else to another element.
   *
   * @param {HTMLElement} other
   */
  reveal(other) {
    const target = this.node.hidden ? other : this.list.title;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
    if (!this.node.hidden) this.node.scrollIntoView({ block: "nearest" });
  }

  /** Walks on until there are enough more machines, or the user goes elsewhere. */
  async #page(enough) {
    const wanted = this.#wanted;
    if (this.#busy) return;
    this.#busy = true;
    const target = this.#machines.size + enough;
    try {
      do await this.#slice(wanted);
      while (wanted === this.#wanted && this.#cursor !== null && this.#machines.size < target);
      if (wanted === this.#wanted) this.#say(false);
    } catch (error) {
      if (wanted === this.#wanted) this.#fail(error);
    } finally {
      if (wanted === this.#wanted) this.#busy = false;
    }
  }

  async #slice(wanted) {
    this.#say(true);
    const reply = await ask("list", { ...wanted, cursor: this.#cursor });
    if (wanted !== this.#wanted) return;
    // A walk may return a key twice.
    for (const machine of reply.keys) this.#machines.set(machine.key, machine);
    this.#cursor = reply.cursor;
    this.list.show([...this.#machines.values()], reply.cursor === null);
  }

  #say(busy) {
    this.list.foot.hidden = false;
    // A button that goes would take the focus with it.
    this.more.hidden = this.#cursor === null && !busy && document.activeElement !== this.more;
    setAttribute(this.more, "aria-disabled", String(busy || this.#cursor === null));
    const found = counted(this.#machines.size, "machine");
    setText(this.count, busy ? `${found} so far, looking…` : this.#cursor === null ? `${found}, as they were found just now` : `${found} shown`);
  }

  #fail(error) {
    this.list.foot.hidden = false;
    this.more.hidden = false;
    setAttribute(this.more, "aria-disabled", "false");
    setText(this.count, error.message);
  }
}
