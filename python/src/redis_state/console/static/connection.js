/**
 * Whether the servers answer: one place that knows, and tells those who listen.
 */

const listeners = new Set();
let state = "starting";

/** What is known of the connection. */
export const connection = {
  /** @returns {"starting"|"live"|"offline"|"unreachable"} */
  get state() {
    return state;
  },

  /** A reply has come. */
  up() {
    become("live");
  },

  /**
   * No reply, or one that says that redis doesn't answer.
   *
   * @param {"offline"|"unreachable"} why
   */
  down(why) {
    become(why);
  },

  /**
   * Calls `listener` with each new state.
   *
   * @param {function(string, string): void} listener gets the state and the one before.
   */
  listen(listener) {
    listeners.add(listener);
  },
};

function become(next) {
  if (next === state) return;
  const before = state;
  state = next;
  for (const listener of listeners) listener(next, before);
}
