/**
 * The view of all fleets.
 */

import { ask } from "./api.js";
import { flash, h, setAttribute, setText } from "./dom.js";
import { KeyedList } from "./list.js";
import { nameNode } from "./names.js";
import { Poller } from "./poll.js";
import { fleetLink } from "./router.js";
import { counted, number } from "./time.js";

const EXAMPLE = `SM.NEW order:1 '{"initial":"new","map":{"new":{"pay":"paid"},"paid":{"ship":"shipped"}},"history":20,"name":"order"}'`;

/** Lists the fleets, with how many machines are where. */
export class FleetsView {
  title = "Fleets";
  #onProblem;
  #poller = new Poller(() => this.#ask());

  /** @param {{onProblem: function(Error|null): void}} context */
  constructor({ onProblem }) {
    this.#onProblem = onProblem;
    this.heading = h("h1", { tabindex: "-1", data: { testid: "heading" } }, "Fleets");
    this.summary = h("p", { class: "summary" }, "\u00a0");
    this.list = h("ol", { class: "fleets" });
    this.empty = emptyNote();
    this.node = h(
      "div",
      { class: "view" },
      h("div", { class: "view-head" }, this.heading, this.summary),
      h("section", { class: "card", "aria-label": "All fleets" }, this.list, this.empty),
    );
    this.rows = new KeyedList(this.list, (fleet) => fleet.name, fleetRow);
  }

  /** Begins to ask. */
  start() {
    this.#poller.start();
  }

  /** Ends. */
  stop() {
    this.#poller.stop();
  }

  /** Nothing here shows a time. */
  tick() {}

  /** @returns {boolean} whether this view can show another route: it has only one. */
  update() {
    return true;
  }

  async #ask() {
    try {
      this.#show((await ask("fleets", {})).fleets);
      this.#onProblem(null);
      return true;
    } catch (error) {
      this.#onProblem(error);
      return error.passes;
    }
  }

  #show(fleets) {
    const most = Math.max(1, ...fleets.map((fleet) => fleet.machines));
    this.rows.show(fleets.map((fleet) => ({ ...fleet, counts: fleet.counts ?? [], share: fleet.machines / most })));
    this.empty.hidden = fleets.length > 0;
    const machines = fleets.reduce((sum, fleet) => sum + fleet.machines, 0);
    setText(this.summary, fleets.length ? `${counted(fleets.length, "fleet")}, ${counted(machines, "machine")}` : "\u00a0");
  }
}

function emptyNote() {
  return h(
    "div",
    { class: "empty", hidden: true, data: { testid: "empty" } },
    h("h2", null, "No fleets here yet"),
    h(
      "p",
      null,
      "A fleet is all machines whose definition has the same ", h("code", null, "name"), ". Store one with a name, and it appears here by itself:",
    ),
    h("pre", { tabindex: "0", "aria-label": "An example of a command" }, h("code", null, EXAMPLE)),
    h("p", null, "Machines without a name aren't in a fleet. Find them by their key with the search above."),
  );
}

function fleetRow(fleet) {
  const machines = h("span", { class: "figure", data: { testid: "fleet-machines" } });
  const noun = h("span", { class: "unit" });
  const about = h("span", { class: "about" });
  const bar = h("span", { class: "stack", "aria-hidden": "true" });
  const link = h(
    "a",
    { href: fleetLink(fleet.name), class: "fleet-link" },
    h("span", { class: "fleet-name" }, nameNode(fleet.name), about),
    bar,
    h("span", { class: "fleet-machines" }, machines, noun),
  );
  const node = h("li", { class: "fleet-row", data: { testid: "fleet-row", name: fleet.name } }, link);
  const update = (next) => {
    if (setText(machines, number(next.machines)) && node.isConnected) flash(machines);
    setText(noun, next.machines === 1 ? "machine" : "machines");
    setText(about, aboutOf(next));
    showStack(bar, next);
    setAttribute(link, "title", summaryOf(next.counts));
  };
  return { node, update };
}

function aboutOf({ revisions }) {
  const newest = revisions[revisions.length - 1];
  const size = `${counted(newest.states, "state")}, ${counted(newest.transitions, "move")}`;
  const numbers = revisions.map((each) => each.revision).filter((revision) => revision !== null);
  if (numbers.length === 0) return size;
  return `${size} · ${numbers.length === 1 ? `revision ${numbers[0]}` : `revisions ${numbers.slice(-4).join(", ")}`}`;
}

/** The length of a bar is the size of the fleet, its parts are the states. */
function showStack(bar, { counts, share }) {
  bar.style.setProperty("width", `${Math.max(2, share * 100)}%`);
  while (bar.children.length < counts.length) bar.append(h("span"));
  while (bar.children.length > counts.length) bar.lastChild.remove();
  counts.forEach(({ machines, final }, at) => {
    const part = bar.children[at];
    part.className = final ? "part is-final" : "part";
    part.style.setProperty("flex-grow", String(machines));
    part.style.setProperty("--place", String(at / Math.max(1, counts.length - 1)));
    part.hidden = !machines;
  });
}

function summaryOf(counts) {
  return counts.filter(({ machines }) => machines).map(({ state, machines }) => `${state}: ${number(machines)}`).slice(0, 12).join("\n");
}
