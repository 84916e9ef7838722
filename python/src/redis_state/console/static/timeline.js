/**
 * The history of a machine as a time line, the newest move first.
 */

import { clock } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { KeyedList } from "./list.js";
import { nameNode, shown } from "./names.js";
import { ago, counted, inFull, iso, span, wallClock } from "./time.js";

const KINDS = {
  new: "created", set: "stored anew", move: "", force: "forced", reset: "reset", redefine: "new definition", timeout: "timer",
};

/** A card with the moves of a machine. */
export class Timeline {
  #rows;

  constructor() {
    this.list = h("ol", { class: "timeline", data: { testid: "history" } });
    this.note = h("p", { class: "none", hidden: true, data: { testid: "history-note" } });
    this.node = h(
      "section",
      { class: "card", "aria-labelledby": "history-title" },
      h("div", { class: "card-head" }, h("h2", { id: "history-title" }, "History")),
      this.list,
      this.note,
    );
    this.#rows = new KeyedList(this.list, (move) => String(move.version), entry);
  }

  /**
   * Shows the moves.
   *
   * @param {object} machine as the API has it, with its history.
   */
  show({ history, history_limit: limit, history_whole: whole }) {
    this.#rows.show(history.map((move, at) => ({ ...move, stayed: stayed(move, history[at + 1]) })));
    this.note.hidden = whole && limit > 0;
    setText(this.note, noteOf(history.length, limit));
  }

  /** Shows the times anew. */
  tick() {
    this.#rows.tick();
  }
}

function stayed(move, before) {
  return before ? move.at - before.at : null;
}

function noteOf(length, limit) {
  if (limit === 0) return "This definition keeps no history. With \"history\": 20 in its document, the last 20 moves are here.";
  return length ? `What was before isn't kept: the definition remembers ${counted(limit, "move")}.` : "Nothing is remembered yet.";
}

function entry(move) {
  const when = h("time", { class: "when", datetime: iso(move.at), title: inFull(move.at), data: { testid: "move-when" } });
  const node = h(
    "li",
    { class: `entry is-${kindClass(move.kind)}`, data: { testid: "move", version: move.version, kind: move.kind } },
    h("div", { class: "entry-head" }, path(move), when),
    h("div", { class: "entry-facts" }, ...facts(move)),
    move.reason && h("p", { class: "reason", data: { testid: "move-reason" } }, nameNode(move.reason)),
  );
  const tick = () => {
    const now = clock.now();
    setText(when, ago(move.at, now));
    setAttribute(when, "title", inFull(move.at));
  };
  const update = () => tick();
  return { node, update, tick };
}

function kindClass(kind) {
  return Object.hasOwn(KINDS, kind) ? kind : "other";
}

function path({ kind, from, to, event }) {
  const from_ = kind === "new" ? null : nameNode(from, "chip");
  const what = Object.hasOwn(KINDS, kind) ? KINDS[kind] : kind;
  from_?.setAttribute("data-testid", "move-from");
  const end = nameNode(to, "chip is-to");
  end.dataset.testid = "move-to";
  return h(
    "div",
    { class: "path" },
    what && h("span", { class: "kind" }, what),
    from_,
    from_ && h("span", { class: "arrow", "aria-label": "to" }, "→"),
    end,
    event !== "" && h("span", { class: "on-event", data: { testid: "move-event" } }, "on ", nameNode(event, "event-name")),
  );
}

function facts({ kind, at, version, user, by, from, stayed: after }) {
  const parts = [
    who(kind, user, by),
    h("span", null, `version ${version}`),
    h("span", null, wallClock(at, clock.now())),
    after !== null && h("span", null, `after ${span(after)} in ${shown(from, 30)}`),
  ];
  return parts.filter(Boolean);
}

function who(kind, user, by) {
  const text = { class: "who", data: { testid: "move-who" } };
  if (kind === "timeout") return h("span", text, "the server");
  if (!by) return user ? h("span", text, "user ", nameNode(user)) : null;
  // That somebody was the user of everybody tells nothing.
  return h("span", text, nameNode(by, "person"), ...(user && user !== "default" ? [" as user ", nameNode(user)] : []));
}
