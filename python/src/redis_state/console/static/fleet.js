/**
 * The view of one fleet: its machines by state, what is stuck, and what is due next.
 */

import { ask, clock } from "./api.js";
import { Diagram } from "./diagram.js";
import { flash, h, setAttribute, setText } from "./dom.js";
import { KeyedList } from "./list.js";
import { nameNode, shown } from "./names.js";
import { Poller } from "./poll.js";
import { fleetLink } from "./router.js";
import { MachineList } from "./rows.js";
import { StateList } from "./statelist.js";
import { ago, number } from "./time.js";

const MANY_STATES = 25;

/** Shows a fleet, or one of its revisions, and on demand the machines of a state. */
export class FleetView {
  #route;
  #onProblem;
  #definition = null;
  #counts = [];
  #walk = null;
  #poller = new Poller(() => this.#ask());

  /**
   * @param {object} route
   * @param {{onProblem: function(Error|null): void}} context
   */
  constructor(route, { onProblem }) {
    this.#route = route;
    this.#onProblem = onProblem;
    this.title = shown(route.name, 60);
    this.#buildHead();
    this.#buildParts();
    this.node = h(
      "div",
      { class: "view" },
      this.head,
      h("div", { class: "fleet-grid" }, this.statesCard, this.diagram.node),
      this.stateList.node,
      h("div", { class: "halves" }, this.stuck.node, this.due.node),
    );
  }

  /** Begins to ask. */
  start() {
    this.#poller.start();
    this.#askRevisions();
    this.#showState();
  }

  /** Ends. */
  stop() {
    this.#poller.stop();
    this.stateList.close();
  }

  /** Shows the times anew. */
  tick() {
    for (const list of [this.stuck, this.due, this.stateList.list]) list.tick();
    this.#showWalk();
  }

  /**
   * Shows another state of the same fleet without building the view anew.
   *
   * @param {object} route
   * @returns {boolean} whether that was possible.
   */
  update(route) {
    if (route.view !== "fleet" || route.name !== this.#route.name || route.revision !== this.#route.revision) return false;
    this.#route = route;
    this.#showState();
    this.stateList.reveal(this.heading);
    return true;
  }

  #buildHead() {
    const { name } = this.#route;
    this.heading = h("h1", { tabindex: "-1", data: { testid: "heading" } }, nameNode(name));
    this.total = h("span", { class: "figure", data: { testid: "total" } }, "…");
    this.unit = h("span", { class: "unit" }, "machines");
    this.revisions = h("select", { data: { testid: "revision" }, on: { change: () => this.#chooseRevision() } });
    this.revisionBox = h("label", { class: "revision", hidden: true }, "Revision ", this.revisions);
    this.head = h(
      "div",
      { class: "view-head" },
      h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/" }, "Fleets")),
      this.heading,
      h("p", { class: "summary" }, this.total, this.unit),
      this.revisionBox,
    );
  }

  #buildParts() {
    this.#buildStates();
    this.diagram = new Diagram({ legend: ["count", "final", "timer"], onState: (state) => this.#go(state) });
    this.stateList = new StateList(() => fleetLink(this.#route.name, this.#route.revision));
    this.stuck = new MachineList({
      title: "Stuck longest", testid: "stuck", time: "since",
      none: "None. Only machines with a timer or a history know since when they are in their state; final states aren't stuck.",
    });
    this.due = new MachineList({ title: "Due next", testid: "due", time: "due", none: "No timer is running in this fleet." });
    this.walk = h("span", { class: "walk", data: { testid: "walk" } });
    this.stuck.aside.append(this.walk);
  }

  #buildStates() {
    this.bars = h("ol", { class: "bars" });
    this.rows = new KeyedList(this.bars, (count) => count.state, (count) => this.#bar(count));
    const box = h("input", { type: "checkbox", on: { change: (event) => this.#onlyFull(event.target.checked) } });
    this.filter = h("label", { class: "filter", hidden: true }, box, " Only with machines");
    this.statesCard = h(
      "section",
      { class: "card states-card", "aria-labelledby": "states-title" },
      h("div", { class: "card-head" }, h("h2", { id: "states-title" }, "States"), this.filter),
      this.bars,
    );
  }

  #onlyFull(only) {
    this.bars.classList.toggle("only-full", only);
  }

  #bar({ state }) {
    const count = h("span", { class: "bar-count", data: { testid: "state-count" } });
    const share = h("span", { class: "bar-share" });
    const fill = h("span", { class: "bar-fill" });
    const final = h("span", { class: "tag", hidden: true, title: "No move leads away from here" }, "final");
    const link = h(
      "a",
      { href: fleetLink(this.#route.name, this.#route.revision, state) },
      h("span", { class: "bar-name" }, nameNode(state), final),
      count,
      share,
      h("span", { class: "bar-track", "aria-hidden": "true" }, fill),
    );
    const node = h("li", { class: "bar", data: { testid: "state-row", state } }, link);
    const update = (next) => {
      if (setText(count, number(next.machines)) && node.isConnected) flash(count);
      setText(share, percent(next.share));
      fill.style.setProperty("--share", String(next.length));
      final.hidden = !next.final;
      node.classList.toggle("is-vacant", next.machines === 0);
      node.classList.toggle("is-final", next.final);
      setAttribute(link, "aria-current", this.#route.state === state ? "true" : "false");
    };
    return { node, update };
  }

  #go(state) {
    location.hash = fleetLink(this.#route.name, this.#route.revision, state);
  }

  #chooseRevision() {
    const { value } = this.revisions;
    location.hash = fleetLink(this.#route.name, value === "" ? null : Number(value));
  }

  #showState() {
    const { name, revision, state } = this.#route;
    if (state === null) this.stateList.close();
    else this.stateList.open(name, revision, state);
    this.#showCounts();
  }

  async #ask() {
    const { name, revision } = this.#route;
    try {
      this.#show(await ask("fleet", { name, revision, definition_id: this.#definition?.id ?? null }));
      this.#onProblem(null);
      return true;
    } catch (error) {
      this.#onProblem(error);
      return error.passes;
    }
  }

  async #askRevisions() {
    try {
      const { fleets } = await ask("fleets", {});
      this.#showRevisions(fleets.find(({ name }) => name === this.#route.name)?.revisions ?? []);
    } catch {
      // The choice of revisions is not there then. The poller tells what is wrong.
    }
  }

  #showRevisions(revisions) {
    const numbers = revisions.map(({ revision }) => revision).filter((revision) => revision !== null);
    this.revisionBox.hidden = revisions.length < 2 && this.#route.revision === null;
    const choices = numbers.map((revision) => h("option", { value: revision }, String(revision)));
    this.revisions.replaceChildren(h("option", { value: "" }, "all"), ...choices);
    this.revisions.value = this.#route.revision === null ? "" : String(this.#route.revision);
  }

  #show(fleet) {
    if (fleet.definition) this.#definition = fleet.definition;
    const final = new Set(fleet.final);
    this.#counts = fleet.counts.map((count) => ({ ...count, final: final.has(count.state) }));
    setText(this.total, number(fleet.machines));
    setText(this.unit, fleet.machines === 1 ? "machine" : "machines");
    this.#showCounts();
    this.#showPicture(fleet);
    this.#walk = fleet.walk;
    this.stuck.show(fleet.stuck ?? [], fleet.walk.done_at !== null);
    this.due.show(fleet.due ?? [], fleet.walk.done_at !== null);
    this.due.node.hidden = fleet.due === null;
    this.stuck.node.hidden = fleet.stuck === null;
    this.#showWalk();
  }

  #showCounts() {
    const all = this.#counts.reduce((sum, { machines }) => sum + machines, 0);
    const most = Math.max(1, ...this.#counts.map(({ machines }) => machines));
    this.filter.hidden = this.#counts.length <= MANY_STATES;
    this.rows.show(
      this.#counts.map((count) => ({ ...count, share: all ? count.machines / all : 0, length: count.machines / most })),
    );
  }

  #showPicture(fleet) {
    this.diagram.node.hidden = !this.#definition;
    if (!this.#definition) return;
    this.diagram.show(this.#definition);
    this.diagram.count(fleet.counts);
  }

  #showWalk() {
    if (!this.#walk) return;
    const { done_at: done, progress } = this.#walk;
    const text = done === null ? `looking through the fleet: ${Math.floor(progress * 100)} %` : `all seen ${ago(done, clock.now())}`;
    setText(this.walk, text);
  }
}

function percent(share) {
  if (share === 0) return "";
  return share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;
}
