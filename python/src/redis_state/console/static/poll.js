/**
 * Asks again and again while somebody looks.
 */

const EACH = 1000;

/** Runs a task once a second while the page is visible, and never two at a time. */
export class Poller {
  #task;
  #timer = null;
  #running = false;
  #stopped = true;
  #seen = () => this.now();

  /** @param {function(): Promise<void>} task deals with its own failures. */
  constructor(task) {
    this.#task = task;
  }

  /** Begins, with a first run at once. */
  start() {
    this.#stopped = false;
    document.addEventListener("visibilitychange", this.#seen);
    this.now();
  }

  /** Ends. A run that is under way ends by itself. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
  }

  /** Runs at once, unless a run is under way. */
  async now() {
    if (this.#stopped || this.#running || document.hidden) return;
    clearTimeout(this.#timer);
    this.#running = true;
    const begun = performance.now();
    try {
      await this.#task();
    } finally {
      this.#running = false;
    }
    // A hidden page asks nothing. `visibilitychange` goes on.
    if (!this.#stopped && !document.hidden) this.#timer = setTimeout(() => this.now(), pause(begun));
  }
}

function pause(begun) {
  return Math.max(EACH / 2, EACH - (performance.now() - begun));
}
