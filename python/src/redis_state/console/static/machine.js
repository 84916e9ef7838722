/**
 * The view of one machine.
 */

import { announce } from "./announce.js";
import { ask, clock } from "./api.js";
import { Diagram } from "./diagram.js";
import { flash, h, icon, ICONS, setAttribute, setText } from "./dom.js";
import { FireDialog } from "./fire.js";
import { KeyedList } from "./list.js";
import { nameNode, setName, shown } from "./names.js";
import { Poller } from "./poll.js";
import { fleetLink } from "./router.js";
import { Timeline } from "./timeline.js";
import { countdown, inFull, span } from "./time.js";

const NOTES = {
  "read-only": "The console only looks: it was started without --write.",
  "no-token": "To fire events, open the address with the token that the console printed.",
};

/** Shows a machine: where it is, how it came there, what can be fired now. */
export class MachineView {
  #key;
  #mode;
  #onProblem;
  #machine = null;
  #history = [];
  #definition = null;
  #poller = new Poller(() => this.#ask());

  /**
   * @param {{key: string}} route
   * @param {{onProblem: function(Error|null): void, mode: string, by: string}} context `mode` says whether moves may be made.
   */
  constructor({ key }, { onProblem, mode, by }) {
    this.#key = key;
    this.#mode = mode;
    this.#onProblem = onProblem;
    this.title = shown(key, 60);
    this.#buildHead();
    this.#buildNow();
    this.#buildEvents();
    this.diagram = new Diagram({ legend: ["current", "went", "can", "timer", "final"] });
    this.timeline = new Timeline();
    this.dialog = new FireDialog(by, (machine) => this.#show(machine));
    this.dialog.node.addEventListener("close", () => this.#focusAfterDialog());
    this.body = h(
      "div",
      { class: "machine-grid", hidden: true },
      h("div", { class: "side" }, this.now, this.events),
      h("div", { class: "main-column" }, this.diagram.node, this.timeline.node),
    );
    this.node = h("div", { class: "view" }, this.head, this.body, this.dialog.node);
  }

  /** Begins to ask. */
  start() {
    this.#poller.start();
  }

  /** Ends. */
  stop() {
    this.#poller.stop();
    if (this.dialog.node.open) this.dialog.node.close();
  }

  /** Shows the times anew. */
  tick() {
    if (!this.#machine) return;
    this.#showTimes();
    this.timeline.tick();
  }

  /**
   * @param {object} route
   * @returns {boolean} whether the route is the one that is shown.
   */
  update(route) {
    return route.view === "machine" && route.key === this.#key;
  }

  #buildHead() {
    this.fleet = h("a", { data: { testid: "fleet-link" }, href: "#/" });
    this.crumb = h("span", { hidden: true }, h("span", { class: "slash", "aria-hidden": "true" }, "/"), this.fleet);
    this.copy = h(
      "button",
      { type: "button", class: "tool", "aria-label": "Copy the key", title: "Copy the key", on: { click: () => this.#copyKey() } },
      icon(ICONS.copy),
    );
    this.heading = h("h1", { tabindex: "-1", class: "key-title", data: { testid: "heading" } }, nameNode(this.#key, "key"));
    this.head = h(
      "div",
      { class: "view-head" },
      h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/" }, "Fleets"), this.crumb),
      h("div", { class: "title-line" }, this.heading, this.copy),
    );
  }

  #buildNow() {
    this.state = nameNode("", "state-now");
    this.state.dataset.testid = "state";
    this.final = h("span", { class: "tag", hidden: true, title: "No move leads away from here" }, "final");
    this.since = h("dd", { data: { testid: "since" } });
    this.version = h("dd", { data: { testid: "version" } });
    this.revision = h("dd");
    this.reason = nameNode("");
    this.reasonFact = fact("Reason", h("dd", null, this.reason));
    this.revisionFact = fact("Revision", this.revision);
    this.now = h(
      "section",
      { class: "card now", "aria-labelledby": "now-title" },
      h("h2", { id: "now-title", class: "unseen" }, "Now"),
      h("div", { class: "now-state" }, h("span", { class: "label" }, "State"), h("div", { class: "state-line" }, this.state, this.final)),
      this.#buildTimer(),
      h("dl", { class: "facts" }, fact("In it for", this.since), fact("Version", this.version), this.revisionFact, this.reasonFact),
    );
  }

  #buildTimer() {
    this.due = h("span", { class: "countdown", role: "timer", data: { testid: "due" } });
    this.dueTo = h("span", { class: "due-to", data: { testid: "due-to" } });
    this.left = h("span", { class: "left-fill" });
    this.timer = h(
      "div",
      { class: "timer-box", hidden: true },
      h("span", { class: "label" }, icon(ICONS.clock), "Timer"),
      h("div", { class: "timer-line" }, this.due, this.dueTo),
      h("span", { class: "left-track", "aria-hidden": "true" }, this.left),
    );
    return this.timer;
  }

  #buildEvents() {
    this.eventsTitle = h("h2", { id: "events-title", tabindex: "-1" }, "Possible now");
    this.choices = h("ul", { class: "events" });
    this.nothing = h("p", { class: "none", hidden: true }, "Nothing can be fired: this is a final state.");
    const note = NOTES[this.#mode];
    this.events = h(
      "section",
      { class: "card", data: { testid: "events" }, "aria-labelledby": "events-title" },
      h("div", { class: "card-head" }, this.eventsTitle),
      this.choices,
      this.nothing,
      note && h("p", { class: "card-note" }, note),
    );
    this.rows = new KeyedList(this.choices, ({ event }) => event, (choice) => this.#eventRow(choice));
  }

  #eventRow({ event }) {
    const targets = h("span", { class: "targets-list", data: { testid: "event-targets" } });
    const name = event === "" ? h("em", { class: "event-name" }, "without a name") : nameNode(event, "event-name");
    let choice = null;
    const label = event === "" ? "Fire a move without a name" : `Fire ${shown(event, 200)}`;
    const button = this.#mode === "write" && h(
      "button",
      { type: "button", class: "fire-button", "aria-label": label, data: { testid: "fire" }, on: { click: () => this.dialog.open(this.#machine, choice) } },
      "Fire",
    );
    const node = h("li", { class: "event", data: { testid: "event", event } }, h("span", { class: "event-what" }, name, targets), button);
    const update = (next) => {
      if (choice && String(choice.targets) === String(next.targets)) return;
      choice = next;
      targets.replaceChildren(h("span", { class: "arrow", "aria-label": "to" }, "→"), ...next.targets.map((target) => nameNode(target, "chip is-next")));
    };
    return { node, update };
  }

  async #ask() {
    const known = { version: this.#machine?.version ?? null, definition_id: this.#definition?.id ?? null };
    try {
      this.#show(await ask("machine", { key: this.#key, ...known }));
      this.#onProblem(null);
      return true;
    } catch (error) {
      this.#onProblem(error);
      return error.passes;
    }
  }

  #show(reply) {
    // A reply that was slow may be older than what is shown. A machine that is made anew begins at version 1 again.
    const before = this.#machine;
    if (before && reply.now < before.now) return;
    this.#history = reply.history ?? this.#history;
    this.#definition = reply.definition ?? this.#definition;
    const kept = { history_whole: before?.history_whole, ...reply, history: this.#history };
    this.#machine = kept;
    this.body.hidden = false;
    this.#showNow(kept, before);
    this.rows.show(kept.events);
    this.nothing.hidden = kept.events.length > 0;
    this.timeline.show(kept);
    this.diagram.show(this.#definition);
    this.diagram.mark(kept);
    this.dialog.follow(kept);
    if (before && before.version !== kept.version) this.#tellMove(kept);
  }

  #showNow(machine, before) {
    const changed = setName(this.state, machine.state);
    if (changed && before) flash(this.state, "strong");
    this.final.hidden = !machine.terminal;
    setText(this.version, String(machine.version));
    this.revisionFact.hidden = machine.revision === null;
    setText(this.revision, String(machine.revision));
    this.reasonFact.hidden = !machine.reason;
    setName(this.reason, machine.reason);
    this.#showFleet(machine.name);
    this.#showTarget(machine);
    this.#showTimes();
  }

  #showFleet(name) {
    this.crumb.hidden = name === "";
    if (this.fleet.dataset.name === name) return;
    this.fleet.dataset.name = name;
    this.fleet.replaceChildren(nameNode(name));
    setAttribute(this.fleet, "href", fleetLink(name));
  }

  #showTarget({ due, due_to: target }) {
    this.timer.hidden = due === null;
    if (due === null || this.dueTo.dataset.to === String(target)) return;
    this.dueTo.dataset.to = String(target);
    this.dueTo.replaceChildren(
      h("span", { class: "arrow", "aria-label": "then to" }, "→"),
      target === null ? h("em", null, "the key is deleted") : nameNode(target, "chip is-next"),
    );
  }

  #showTimes() {
    const { since, due } = this.#machine;
    const now = clock.now();
    setText(this.since, since === null ? "not known: it keeps no times" : span(now - since));
    setAttribute(this.since, "title", since === null ? "" : `since ${inFull(since)}`);
    if (due === null) return;
    setText(this.due, countdown(due, now));
    setAttribute(this.due, "title", inFull(due));
    const gone = since === null || due <= since ? 1 : Math.min(1, Math.max(0, (now - since) / (due - since)));
    this.left.style.setProperty("--share", String(1 - gone));
  }

  #tellMove({ state, version }) {
    announce(`The machine is in ${shown(state, 100)} now, version ${version}.`);
  }

  async #copyKey() {
    try {
      await navigator.clipboard.writeText(this.#key);
      this.copy.replaceChildren(icon(ICONS.check));
      announce("Copied.");
      setTimeout(() => this.copy.replaceChildren(icon(ICONS.copy)), 1500);
    } catch {
      announce("The browser doesn't allow to copy.");
    }
  }

  #focusAfterDialog() {
    // The button that opened the dialog may have gone with the move.
    setTimeout(() => {
      const lost = !document.activeElement || document.activeElement === document.body;
      if (lost && this.node.isConnected) this.eventsTitle.focus({ preventScroll: true });
    });
  }
}

function fact(term, value) {
  return h("div", { class: "fact" }, h("dt", null, term), value);
}
