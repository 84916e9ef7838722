/**
 * A list whose rows stay the same elements while their data change, come, go and change places.
 */

/** Keeps the children of an element in step with items. */
export class KeyedList {
  #node;
  #make;
  #keyOf;
  #rows = new Map();
  #held = false;
  #waiting = null;

  /**
   * @param {HTMLElement} node
   * @param {function(any): string} keyOf
   * @param {function(any): {node: HTMLElement, update: function(any): void, tick?: function(): void}} make
   */
  constructor(node, keyOf, make) {
    this.#node = node;
    this.#keyOf = keyOf;
    this.#make = make;
    this.#holdUnderThePointer();
    node.addEventListener("focusout", () => setTimeout(() => this.#again()));
  }

  /** @returns {number} how many items the list has. */
  get size() {
    return this.#rows.size;
  }

  /**
   * Shows these items in this order.
   *
   * @param {any[]} items each key once.
   */
  show(items) {
    this.#waiting = items;
    const wanted = new Map(items.map((item) => [this.#keyOf(item), item]));
    this.#update(wanted);
    // A row that moves away under the pointer would have the next one clicked.
    if (this.#held && this.#rows.size) return;
    this.#drop(wanted);
    this.#place(items.map((item) => this.#row(item).node));
  }

  /** Lets each row show its times anew. */
  tick() {
    for (const row of this.#rows.values()) row.tick?.();
  }

  #holdUnderThePointer() {
    this.#node.addEventListener("pointerenter", (event) => (this.#held = event.pointerType === "mouse"));
    this.#node.addEventListener("pointerleave", () => {
      this.#held = false;
      this.#again();
    });
  }

  #again() {
    if (this.#waiting) this.show(this.#waiting);
  }

  #update(wanted) {
    for (const [key, row] of this.#rows) {
      row.node.classList.toggle("is-gone", !wanted.has(key));
      if (wanted.has(key)) row.update(wanted.get(key));
    }
  }

  #row(item) {
    const key = this.#keyOf(item);
    let row = this.#rows.get(key);
    if (!row) {
      row = this.#make(item);
      row.update(item);
      this.#rows.set(key, row);
    }
    return row;
  }

  #drop(wanted) {
    for (const [key, row] of this.#rows) {
      // Who is on a row that has gone keeps the focus there until he leaves it.
      if (wanted.has(key) || row.node.contains(document.activeElement)) continue;
      row.node.remove();
      this.#rows.delete(key);
    }
  }

  /** Puts the nodes in order. The one with the focus isn't moved, the others are moved around it. */
  #place(nodes) {
    const before = [...this.#node.children];
    const fixed = before.find((child) => child.contains(document.activeElement));
    // One that has gone keeps its place, so that Tab goes to its neighbour.
    if (fixed && !nodes.includes(fixed)) nodes.splice(before.indexOf(fixed), 0, fixed);
    let next = this.#node.firstChild;
    for (const node of nodes) {
      if (node === fixed) next = this.#moveBehind(next, fixed);
      else if (node === next) next = next.nextSibling;
      else this.#node.insertBefore(node, next);
    }
  }

  #moveBehind(next, fixed) {
    while (next !== fixed) {
      const following = next.nextSibling;
      this.#node.append(next);
      next = following;
    }
    return fixed.nextSibling;
  }
}
