/**
 * The search by key: a combobox, with what is found under it.
 */

import { ask } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { nameNode } from "./names.js";
import { machineLink } from "./router.js";
import { counted } from "./time.js";

const TYPING = 150;
const ENOUGH = 30;

/** Runs the search box of the page. */
export class Search {
  #input = document.getElementById("search");
  #panel = document.getElementById("search-panel");
  #results = document.getElementById("search-results");
  #note = document.getElementById("search-note");
  #search = 0;
  #timer = null;
  #found = new Map();
  #active = -1;

  constructor() {
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("focus", () => this.#input.value && this.#found.size && this.#open());
    document.addEventListener("keydown", (event) => this.#shortcut(event));
    document.addEventListener("pointerdown", (event) => event.target.closest?.(".search") || this.close());
    this.#input.closest(".search").addEventListener("focusout", (event) => event.relatedTarget && !this.#panel.contains(event.relatedTarget) && this.close());
  }

  /** Closes the list, and ends the search that is under way. */
  close() {
    this.#search += 1;
    clearTimeout(this.#timer);
    this.#panel.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  }

  #open() {
    this.#panel.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
  }

  #shortcut(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#input.focus();
    this.#input.select();
  }

  #typed() {
    this.#search += 1;
    clearTimeout(this.#timer);
    if (this.#input.value === "") return this.close();
    this.#timer = setTimeout(() => this.#run(this.#input.value), TYPING);
  }

  async #run(text) {
    const search = ++this.#search;
    const isLast = () => search === this.#search;
    let cursor = null;
    let first = true;
    try {
      do {
        const reply = await ask("search", { text, cursor });
        if (!isLast()) return;
        if (first) this.#clear();
        first = false;
        this.#add(reply);
        cursor = reply.cursor;
        this.#say(cursor !== null && this.#found.size < ENOUGH, cursor !== null);
      } while (cursor !== null && this.#found.size < ENOUGH);
    } catch (error) {
      if (isLast()) this.#fail(error);
    }
  }

  #clear() {
    this.#found.clear();
    this.#results.replaceChildren();
    this.#choose(-1);
    this.#open();
  }

  #add({ exact, keys }) {
    for (const hit of exact ? [exact, ...keys] : keys) {
      if (this.#found.has(hit.key)) continue;
      const option = optionOf(hit, this.#found.size, hit === exact);
      option.addEventListener("click", () => this.close());
      this.#found.set(hit.key, option);
      this.#results.append(option);
    }
  }

  #say(busy, more) {
    const found = counted(this.#found.size, "machine");
    if (busy) setText(this.#note, this.#found.size ? `${found} so far, looking…` : "Looking…");
    else if (this.#found.size === 0) setText(this.#note, "No machine has a key that contains this. Enter opens exactly this key.");
    else setText(this.#note, more ? `The first ${found}. Type more of the key to see others.` : found);
  }

  #fail(error) {
    this.#open();
    setText(this.#note, error.message);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.size) {
      event.preventDefault();
      this.#open();
      this.#choose(this.#next(step));
    } else if (event.key === "Escape") {
      this.close();
    } else if (event.key === "Enter" && this.#input.value !== "") {
      this.#go();
    }
  }

  #next(step) {
    const size = this.#found.size;
    return this.#active < 0 && step < 0 ? size - 1 : (this.#active + step + size) % size;
  }

  #choose(at) {
    const options = [...this.#results.children];
    options[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = at;
    const option = options[at];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    setAttribute(this.#input, "aria-activedescendant", option?.id ?? "");
  }

  #go() {
    const option = this.#results.children[this.#active];
    location.hash = option ? option.getAttribute("href") : machineLink(this.#input.value);
    this.close();
  }
}

function optionOf(hit, at, isExact) {
  return h(
    "a",
    {
      id: `hit-${at}`, class: "hit", role: "option", "aria-selected": "false", tabindex: "-1", href: machineLink(hit.key),
      data: { testid: "search-hit", key: hit.key },
    },
    nameNode(hit.key, "key"),
    h("span", { class: "hit-facts" }, isExact && h("span", { class: "tag" }, "exact"), hit.name !== "" && nameNode(hit.name, "hit-fleet"), nameNode(hit.state, "chip")),
  );
}
