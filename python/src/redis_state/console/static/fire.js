/**
 * The dialog that fires an event.
 */

import { toast } from "./announce.js";
import { ask } from "./api.js";
import { h, setText } from "./dom.js";
import { nameNode, shown } from "./names.js";

const BY = "redis-state-by";
const LONGEST = 256;

/** Asks for what a move needs, makes it, and says what became of it. */
export class FireDialog {
  #onMachine;
  #move = null;
  #latest = null;
  #busy = false;

  /**
   * @param {string} by whom to name as the one who acts, unless somebody else has been typed before.
   * @param {function(object): void} onMachine is called with the machine of a reply.
   */
  constructor(by, onMachine) {
    this.#onMachine = onMachine;
    this.#buildFields(by);
    this.#buildResult();
    this.form = h("form", { novalidate: true, on: { submit: (event) => this.#submit(event) } }, this.title, this.movedOn, this.fields, this.result, this.buttons);
    this.node = h(
      "dialog",
      { class: "fire", data: { testid: "fire-dialog" }, "aria-labelledby": "fire-title", on: { close: () => this.#closed(), cancel: (event) => this.#busy && event.preventDefault() } },
      this.form,
    );
  }

  /**
   * Opens the dialog.
   *
   * @param {object} machine as it is shown now: its version is the one that the move is made from.
   * @param {{event: string, targets: string[]}} choice
   */
  open(machine, { event, targets }) {
    this.#latest = machine;
    this.#begin(machine, event, targets);
    this.reason.value = "";
    this.node.showModal();
    (targets.length > 1 ? this.targets.querySelector("input") : this.reason).focus();
  }

  /**
   * Learns what the machine is now, while the dialog is open.
   *
   * @param {object} machine
   */
  follow(machine) {
    this.#latest = machine;
    if (!this.node.open || !this.#move) return;
    const moved = machine.version !== this.#move.version && this.result.hidden && !this.#busy;
    if (moved === !this.movedOn.hidden) return;
    this.movedOn.hidden = !moved;
    if (moved) setText(this.movedOn, `It has moved meanwhile: it is in ${shown(machine.state, 100)} now, version ${machine.version}.`);
  }

  #buildFields(by) {
    this.title = h("h2", { id: "fire-title" });
    this.movedOn = h("p", { class: "note is-warn", role: "status", hidden: true, data: { testid: "fire-moved-on" } });
    this.targets = h("fieldset", { class: "targets", data: { testid: "fire-targets" } });
    this.reason = h("input", { type: "text", id: "fire-reason", autocomplete: "off", maxlength: "1000", data: { testid: "fire-reason" } });
    this.by = h("input", { type: "text", id: "fire-by", autocomplete: "off", maxlength: LONGEST, data: { testid: "fire-by" } });
    this.by.value = sessionStorage.getItem(BY) ?? by;
    this.fields = h(
      "div",
      { class: "fields" },
      this.targets,
      h("label", { for: "fire-reason" }, "Reason", h("span", { class: "hint" }, "optional, kept in the history")),
      this.reason,
      h("label", { for: "fire-by" }, "By", h("span", { class: "hint" }, "who you are, kept in the history")),
      this.by,
    );
  }

  #buildResult() {
    this.result = h("div", { class: "note", role: "alert", hidden: true, data: { testid: "fire-result" } });
    this.submit = h("button", { type: "submit", class: "primary", data: { testid: "fire-submit" } }, "Fire");
    this.again = h("button", { type: "button", class: "primary", hidden: true, data: { testid: "fire-again" }, on: { click: () => this.#again() } }, "Try again from here");
    this.cancel = h("button", { type: "button", data: { testid: "fire-cancel" }, on: { click: () => this.#busy || this.node.close() } }, "Cancel");
    this.buttons = h("div", { class: "buttons" }, this.cancel, this.again, this.submit);
  }

  #begin(machine, event, targets) {
    // The id makes it safe to send the same move again when nobody knows whether the first one has arrived.
    this.#move = { key: machine.key, event, version: machine.version, id: newId(), targets };
    this.title.replaceChildren("Fire ", event === "" ? "a move without a name" : nameNode(event, "event-name"));
    this.#showTargets(machine.state, targets);
    this.#showResult(null);
    this.movedOn.hidden = true;
  }

  #showTargets(state, targets) {
    const choice = (target, at) => {
      const radio = h("input", { type: "radio", name: "target", value: at, checked: at === 0, data: { testid: "fire-target" } });
      return h("label", { class: "choice" }, radio, nameNode(target, "chip is-to"));
    };
    const single = targets.length === 1;
    this.targets.classList.toggle("is-single", single);
    this.targets.replaceChildren(
      h("legend", null, "From ", nameNode(state, "chip"), single ? " to " : " to which state?", single && nameNode(targets[0], "chip is-to")),
      ...(single ? [] : targets.map(choice)),
    );
  }

  async #submit(event) {
    event.preventDefault();
    if (this.#busy) return;
    this.#setBusy(true);
    sessionStorage.setItem(BY, this.by.value);
    try {
      this.#settle(await ask("fire", this.#request()));
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#setBusy(false);
    }
  }

  #request() {
    const { targets, ...move } = this.#move;
    const at = Number(this.targets.querySelector("input:checked")?.value ?? 0);
    return { ...move, to: targets.length > 1 ? targets[at] : null, reason: this.reason.value, by: this.by.value };
  }

  #setBusy(busy) {
    this.#busy = busy;
    // Not `disabled`, which would take the focus away.
    for (const button of [this.submit, this.cancel]) button.setAttribute("aria-disabled", String(busy));
    setText(this.submit, busy ? "Firing…" : this.submit.dataset.text ?? "Fire");
  }

  #settle({ what, state, version, machine }) {
    if (machine) {
      this.#latest = machine;
      this.#onMachine(machine);
    }
    if (what === "moved" || what === "repeated") return this.#done(state, version);
    const now = `It is in ${shown(state ?? "", 100)} now, version ${version}.`;
    const rest = this.#possible() ? "" : " This event isn't possible there.";
    if (what === "conflict") return this.#showResult("conflict", `Somebody else was faster. ${now}${rest}`);
    if (what === "refused") return this.#showResult("refused", `Refused: it doesn't have this move now. ${now}`);
    this.#showResult("missing", "The machine is gone: its key doesn't exist any more.");
  }

  #done(state, version) {
    this.node.close();
    toast(`Done: it is in ${shown(state, 100)} now, version ${version}.`);
  }

  #fail(error) {
    const again = error.passes ? " Nobody knows whether the move was made. Firing again is safe: it is made once." : "";
    this.#showResult("error", `${error.message}${again}`);
    // The same request again is right where the answer got lost, and nowhere else.
    this.submit.hidden = !error.passes;
    this.submit.dataset.text = "Fire again";
    if (error.passes) this.submit.focus();
  }

  #showResult(what, text = "") {
    this.result.hidden = what === null;
    this.result.dataset.what = what ?? "";
    this.result.classList.toggle("is-bad", what === "error" || what === "missing");
    this.result.classList.toggle("is-warn", what === "conflict" || what === "refused");
    setText(this.result, text);
    this.fields.hidden = what !== null && what !== "error";
    this.submit.hidden = what !== null;
    this.submit.dataset.text = "Fire";
    this.again.hidden = !(what === "conflict" || what === "refused") || !this.#possible();
    setText(this.cancel, what === null ? "Cancel" : "Close");
    this.movedOn.hidden = true;
    if (what !== null) (this.again.hidden ? this.cancel : this.again).focus();
  }

  #possible() {
    return this.#latest?.events.find(({ event }) => event === this.#move.event);
  }

  #again() {
    const { event, targets } = this.#possible();
    this.#begin(this.#latest, event, targets);
    (targets.length > 1 ? this.targets.querySelector("input") : this.reason).focus();
  }

  #closed() {
    this.#move = null;
  }
}

/** Returns 128 random bits. `crypto.randomUUID` would do, but is missing in pages that come from elsewhere by plain HTTP. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
