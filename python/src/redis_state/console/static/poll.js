/**
 * Asks again and again while somebody looks.
 */

const EACH = 1000;
const SELDOM = 3000;

/** Runs a task once a second while the page is visible, and never two at a time. */
export class Poller {
  #task;
  #timer = null;
  #running = false;
  #stopped = true;
  #seen = () => this.now();

  /** @param {function(): Promise<boolean|void>} task deals with its own failures. False: the next run can wait longer. */
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
    let each = EACH;
    try {
      if ((await this.#task()) === false) each = SELDOM;
    } finally {
      this.#running = false;
    }
    // A hidden page asks nothing. `visibilitychange` goes on.
    if (!this.#stopped && !document.hidden) this.#timer = setTimeout(() => this.now(), pause(begun, each));
  }
}

function pause(begun, each) {
  return Math.max(EACH / 2, each - (performance.now() - begun));
}
