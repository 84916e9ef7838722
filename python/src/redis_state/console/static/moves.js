/**
 * The moves of a definition as a table: for those who don't see the picture, and where there is none.
 */

import { h } from "./dom.js";
import { nameNode } from "./names.js";
import { counted } from "./time.js";

/** A table that is built when somebody opens it. */
export class MovesTable {
  #definition = null;
  #built = null;

  constructor() {
    this.summary = h("summary", null, "Moves as a table");
    this.place = h("div", { class: "table-box" });
    this.node = h(
      "details",
      { class: "moves", data: { testid: "moves-table" }, on: { toggle: () => this.#build() } },
      this.summary,
      this.place,
    );
  }

  /**
   * Takes another definition.
   *
   * @param {object} definition as the API has it.
   */
  show(definition) {
    this.#definition = definition;
    this.summary.textContent = `${counted(definition.edges.length, "move")} as a table`;
    this.#build();
  }

  /** Opens it. */
  open() {
    this.node.open = true;
  }

  #build() {
    if (!this.node.open || this.#built === this.#definition) return;
    this.#built = this.#definition;
    const head = ["From", "Event", "To"].map((text) => h("th", { scope: "col" }, text));
    const rows = this.#definition.edges.map((edge) => row(this.#definition, edge));
    this.place.replaceChildren(h("table", null, h("thead", null, h("tr", null, ...head)), h("tbody", null, ...rows)));
  }
}

function row({ states }, { from, to, event, timer }) {
  const place = (at, none) => (at === null ? h("em", null, none) : nameNode(states[at]));
  const by = timer ? h("em", null, "timer") : event === "" ? h("em", null, "without a name") : nameNode(event);
  return h(
    "tr",
    { data: { testid: "moves-row" } },
    h("td", null, place(from, "any state")),
    h("td", null, by),
    h("td", null, place(to, "the key is deleted")),
  );
}
