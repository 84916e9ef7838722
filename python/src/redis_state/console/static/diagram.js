/**
 * The picture of a definition. It is drawn once; what changes afterwards are classes and counts.
 */

import { h, icon, ICONS, setAttribute, setText, svg } from "./dom.js";
import { layout } from "./layout.js";
import { MovesTable } from "./moves.js";
import { shown } from "./names.js";
import { counted, number } from "./time.js";

const MARGIN = 16;
const TALLEST = 440;
const NARROW = 560;
const SMALLEST_READABLE = { LR: 0.6, TB: 0.75 };
const ZOOM_STEP = 1.25;
const MOST_CHARS = 36;

/** A picture with its buttons, its legend, and the table of moves. */
export class Diagram {
  #definition = null;
  #places = null;
  #picture = null;
  #nodes = new Map();
  #edges = new Map();
  #marks = null;
  #counts = null;
  #scale = 1;
  #fits = true;
  #onState;

  /**
   * @param {object} options
   * @param {string[]} options.legend which signs to explain: `current`, `went`, `can`, `timer`, `final`.
   * @param {function(string): void} [options.onState] is called with a state that is clicked.
   */
  constructor({ legend, onState }) {
    this.#onState = onState;
    this.box = h("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Diagram, scrolls by arrow keys" });
    this.note = h("p", { class: "picture-note" });
    this.moves = new MovesTable();
    this.node = h(
      "section",
      { class: "card diagram", data: { testid: "diagram", status: "drawing" }, "aria-labelledby": "diagram-title" },
      h("div", { class: "card-head" }, h("h2", { id: "diagram-title" }, "Diagram"), this.#tools()),
      h("div", { class: "picture-frame" }, this.box, this.note),
      legendOf(legend),
      this.moves.node,
    );
    dragToScroll(this.box);
    new ResizeObserver(() => this.#resized()).observe(this.box);
  }

  /**
   * Draws a definition, if it is another one.
   *
   * @param {object} definition as the API has it.
   */
  async show(definition) {
    if (this.#definition?.id === definition.id) return;
    this.#definition = definition;
    this.moves.show(definition);
    await this.#draw();
  }

  /**
   * Marks a machine's state, the way it came and what can be fired now.
   *
   * @param {object} machine as the API has it, with its `history`.
   */
  mark(machine) {
    this.#marks = machine;
    this.#applyMarks();
  }

  /**
   * Shows how many machines are in each state.
   *
   * @param {{state: string, machines: number}[]} counts
   */
  count(counts) {
    this.#counts = counts;
    this.#applyCounts();
  }

  #tools() {
    const tool = (id, label, path, click) =>
      h("button", { type: "button", class: "tool", "aria-label": label, title: label, data: { testid: id }, on: { click } }, icon(path));
    const full = h(
      "button",
      { type: "button", class: "tool is-text", title: "Full size", "aria-label": "1:1, full size", data: { testid: "zoom-full" }, on: { click: () => this.#zoom(1) } },
      "1:1",
    );
    return h(
      "div",
      { class: "tools", role: "group", "aria-label": "Size of the diagram" },
      tool("zoom-out", "Smaller", ICONS.minus, () => this.#zoom(this.#scale / ZOOM_STEP)),
      tool("zoom-in", "Larger", ICONS.plus, () => this.#zoom(this.#scale * ZOOM_STEP)),
      full,
      tool("zoom-fit", "Fit into the box", ICONS.fit, () => this.#fit(0)),
    );
  }

  async #draw() {
    const definition = this.#definition;
    this.#clear();
    if (!definition.dot) return this.#say("too-large", `${counted(definition.states.length, "state")}: too many to draw. The table has all moves.`);
    this.#say("drawing", "Drawing…");
    try {
      const direction = this.#direction();
      const places = await layout(definition, labelsOf(definition), direction);
      if (definition === this.#definition) this.#build({ ...places, direction });
    } catch {
      if (definition !== this.#definition) return;
      this.#say("failed", "The picture could not be drawn. The table has all moves.");
      this.moves.open();
    }
  }

  #direction() {
    return this.box.clientWidth && this.box.clientWidth < NARROW ? "TB" : "LR";
  }

  #clear() {
    this.#places = null;
    this.#nodes.clear();
    this.#edges.clear();
    this.box.replaceChildren();
  }

  #say(status, text) {
    this.node.dataset.status = status;
    this.note.hidden = status === "drawn";
    setText(this.note, text);
  }

  #build(places) {
    this.#places = places;
    const edges = places.edges.map((edge) => this.#edge(edge));
    const nodes = places.nodes.map((node) => this.#node(node));
    const { width, height } = places;
    this.#picture = svg(
      "svg",
      { viewBox: `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`, role: "img" },
      svg("g", { class: "edges" }, ...edges),
      svg("g", { class: "nodes" }, ...nodes),
    );
    this.box.replaceChildren(this.#picture);
    this.#say("drawn", "");
    squeeze(this.#nodes.values());
    this.#applyMarks();
    this.#applyCounts();
    this.#resized();
  }

  #node(place) {
    const state = /^s\d+$/.test(place.id) ? this.#definition.states[Number(place.id.slice(1))] : null;
    if (state === null) return helper(place);
    const group = svg(
      "g",
      { class: classesOf(this.#definition, state), data: { node: place.id } },
      svg("title", null, shown(state, 300)),
      svg("rect", box(place, 0, 7)),
      place.double && svg("rect", { ...box(place, 3.5, 4.5), class: "inner" }),
      svg("text", { x: place.x, y: place.y }, shown(state, MOST_CHARS)),
      svg("g", { class: "count", data: { testid: "node-count" } }),
    );
    if (this.#onState) group.addEventListener("click", () => this.#onState(state));
    this.#nodes.set(state, { group, place });
    return group;
  }

  #edge({ id, curve, head, label }) {
    const about = this.#definition.edges.find((edge) => edge.id === id);
    const group = svg(
      "g",
      { class: about?.timer ? "edge timer" : "edge", data: { edge: id ?? "" } },
      about && svg("title", null, sentence(this.#definition, about)),
      svg("path", { d: pathOf(curve) }),
      head.length && svg("polygon", { points: head.map(([x, y]) => `${x},${y}`).join(" ") }),
      label && svg("text", { x: label.x, y: label.y - 1 }, about?.event ? shown(about.event, MOST_CHARS) : label.text),
    );
    if (about) this.#edges.set(id, group);
    return group;
  }

  #applyMarks() {
    if (!this.#marks || !this.#places) return;
    const { state, history = [], events = [] } = this.#marks;
    const before = new Set(history.flatMap((move) => [move.from, move.to]));
    for (const [name, { group }] of this.#nodes) {
      group.classList.toggle("current", name === state);
      group.classList.toggle("visited", name !== state && before.has(name));
    }
    this.#markEdges(wentBy(this.#definition, history), canBe(this.#definition, state, events));
    this.#describe(`Current state: ${shown(state, 100)}.`);
    this.#revealCurrent(state);
  }

  #markEdges(went, can) {
    for (const [id, group] of this.#edges) {
      const age = went.get(id);
      group.classList.toggle("can", can.has(id));
      group.classList.toggle("went", age !== undefined);
      for (const step of [0, 1, 2, 3]) group.classList.toggle(`went-${step}`, age === step);
    }
  }

  #revealCurrent(state) {
    if (this.#revealed === state) return;
    this.#revealed = state;
    this.#scrollTo(this.#nodes.get(state)?.place);
  }

  #revealed = null;

  #scrollTo(place) {
    if (!place) return;
    const at = (middle, size) => (middle + MARGIN) * this.#scale - size / 2;
    this.box.scrollTo({ left: at(place.x, this.box.clientWidth), top: at(place.y, this.box.clientHeight) });
  }

  #applyCounts() {
    if (!this.#counts || !this.#places) return;
    for (const { state, machines } of this.#counts) {
      const found = this.#nodes.get(state);
      if (found) pill(found.group, found.place, machines);
    }
    this.#describe("The numbers are machines in each state; the list of states has them too.");
  }

  #describe(rest) {
    const { states, edges } = this.#definition;
    setAttribute(this.#picture, "aria-label", `${counted(states.length, "state")}, ${counted(edges.length, "move")}. ${rest}`);
  }

  #fit(smallest) {
    if (!this.#places) return;
    const [width, height] = this.#whole();
    const scale = Math.min(1, (this.box.clientWidth - 2) / width, TALLEST / height);
    this.#zoom(Math.max(scale, smallest));
    this.#fits = true;
    if (scale < smallest) this.#scrollTo(this.#nodes.get(this.#marks?.state ?? this.#definition.initial)?.place);
  }

  #whole() {
    return [this.#places.width + 2 * MARGIN, this.#places.height + 2 * MARGIN];
  }

  #zoom(scale) {
    if (!this.#places) return;
    const [width, height] = this.#whole();
    const middle = this.#middle();
    this.#scale = Math.min(3, Math.max(0.05, scale));
    this.#fits = false;
    this.#picture.setAttribute("width", width * this.#scale);
    this.#picture.setAttribute("height", height * this.#scale);
    this.#scrollTo(middle);
  }

  #middle() {
    const at = (scrolled, size) => (scrolled + size / 2) / this.#scale - MARGIN;
    return { x: at(this.box.scrollLeft, this.box.clientWidth), y: at(this.box.scrollTop, this.box.clientHeight) };
  }

  #resized() {
    if (!this.#places) return;
    const direction = this.#direction();
    if (direction !== this.#places.direction) this.#draw();
    else if (this.#fits) this.#fit(SMALLEST_READABLE[this.#places.direction]);
  }
}

function legendOf(kinds) {
  const texts = {
    current: "current state", went: "the way it came, recent moves stronger", can: "can be fired now",
    timer: "timer", final: "final state", count: "machines in the state",
  };
  return h("ul", { class: "legend", "aria-label": "Legend" }, ...kinds.map((kind) => h("li", { class: `sign-${kind}` }, texts[kind])));
}

function labelsOf({ states, edges }) {
  const labels = {};
  states.forEach((state, at) => (labels[`s${at}`] = shown(state, MOST_CHARS)));
  for (const { id, event } of edges) if (event) labels[id] = shown(event, MOST_CHARS);
  return labels;
}

function classesOf(definition, state) {
  const final = definition.final.includes(state) ? " final" : "";
  return `node${final}${definition.initial === state ? " initial" : ""}`;
}

function box({ x, y, width, height }, inset, radius) {
  return { x: x - width / 2 + inset, y: y - height / 2 + inset, width: width - 2 * inset, height: height - 2 * inset, rx: radius };
}

/** The start, the ring for a deleted key, and the node that stands for any state. */
function helper({ id, x, y, width }) {
  const inside = id === "any" ? svg("text", { x, y }, "any") : id === "deleted" && svg("circle", { cx: x, cy: y, r: 2.5, class: "core" });
  return svg("g", { class: `helper ${id}` }, svg("title", null, helperTitle(id)), svg("circle", { cx: x, cy: y, r: width / 2 }), inside);
}

function helperTitle(id) {
  return { start: "start", any: "any state", deleted: "the key is deleted" }[id] ?? "";
}

/** Makes texts narrower that are wider in this page's font than Graphviz thought. */
function squeeze(nodes) {
  const wide = [...nodes].map(({ group, place }) => ({ text: group.querySelector("text"), room: place.width - 10 }));
  for (const each of wide) each.width = each.text.getComputedTextLength();
  for (const { text, room, width } of wide) {
    if (width > room) setAttribute(text, "textLength", String(room));
    if (width > room) setAttribute(text, "lengthAdjust", "spacingAndGlyphs");
  }
}

function pathOf([first, ...rest]) {
  return first ? `M${first.join(" ")}C${rest.map((point) => point.join(" ")).join(" ")}` : "";
}

function sentence({ states }, { from, to, event, timer }) {
  const start = from === null ? "any state" : shown(states[from], 100);
  const end = to === null ? "deleted" : shown(states[to], 100);
  return `${start} → ${end}${timer ? ", by a timer" : event ? `, on ${shown(event, 100)}` : ""}`;
}

/** Which edges a machine went, and how long ago in moves: 0, 1, 2, and 3 for all before. */
function wentBy(definition, history) {
  const went = new Map();
  history.forEach((move, ago) => {
    const edge = edgeOf(definition, move);
    if (edge && !went.has(edge.id)) went.set(edge.id, Math.min(ago, 3));
  });
  return went;
}

function edgeOf({ states, edges }, { from, to, event, kind }) {
  if (kind !== "move" && kind !== "timeout") return null;
  const [start, end] = [states.indexOf(from), states.indexOf(to)];
  const fits = (edge) => edge.to === end && edge.timer === (kind === "timeout") && (edge.timer || edge.event === event);
  // A state's own entry wins over `any`.
  return edges.find((edge) => edge.from === start && fits(edge)) ?? edges.find((edge) => edge.from === null && fits(edge));
}

function canBe(definition, state, events) {
  const can = new Set();
  for (const { event, targets } of events) {
    for (const to of targets) can.add(edgeOf(definition, { from: state, to, event, kind: "move" })?.id);
  }
  return can;
}

function pill(group, { x, y, width, height }, machines) {
  const node = group.querySelector(".count");
  const text = machines ? number(machines) : "";
  group.classList.toggle("is-vacant", !machines);
  if (node.textContent === text) return;
  const wide = Math.max(17, text.length * 6.2 + 9);
  const right = x + width / 2 + 7;
  node.replaceChildren(
    ...(text
      ? [
          svg("rect", { x: right - wide, y: y - height / 2 - 9, width: wide, height: 17, rx: 8.5 }),
          svg("text", { x: right - wide / 2, y: y - height / 2 - 0.5 }, text),
        ]
      : []),
  );
}

function dragToScroll(node) {
  let from = null;
  node.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button) return;
    from = { x: event.clientX + node.scrollLeft, y: event.clientY + node.scrollTop };
  });
  node.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return (from = null);
    node.scrollTo(from.x - event.clientX, from.y - event.clientY);
  });
  node.addEventListener("pointerup", () => (from = null));
}
