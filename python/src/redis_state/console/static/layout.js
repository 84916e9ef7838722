/**
 * Where the parts of a picture are: asked of the worker once for a definition and direction.
 */

const PATIENCE = 60_000;
const MOST_KEPT = 30;

const kept = new Map();
const waiting = new Map();
let worker = null;
let last = 0;

/**
 * Returns the places of a definition's states and moves.
 *
 * @param {{id: string, dot: string}} definition
 * @param {Object<string, string>} labels what the page shows at the nodes and edges, by their ids.
 * @param {"LR"|"TB"} direction
 * @returns {Promise<object>} see `diagram-worker.js`. It fails where WebAssembly is missing, or after a minute.
 */
export function layout(definition, labels, direction) {
  const key = `${direction} ${definition.id}`;
  if (!kept.has(key)) keep(key, asked({ dot: definition.dot, labels, direction }));
  return kept.get(key);
}

function keep(key, promise) {
  kept.set(key, promise);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  // A failure isn't kept: the next look may have more luck.
  promise.catch(() => kept.delete(key));
}

function asked(request) {
  return new Promise((resolve, reject) => {
    const id = ++last;
    const timer = setTimeout(() => giveUp(new Error("it takes too long")), PATIENCE);
    waiting.set(id, { resolve, reject, timer });
    started().postMessage({ id, ...request });
  });
}

function started() {
  if (worker) return worker;
  worker = new Worker(new URL("./diagram-worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => answer(data);
  worker.onerror = (event) => giveUp(new Error(event.message || "the worker can't start"));
  return worker;
}

function answer({ id, layout: places, error }) {
  const { resolve, reject, timer } = waiting.get(id) ?? {};
  clearTimeout(timer);
  waiting.delete(id);
  if (error === undefined) resolve?.(places);
  else reject?.(new Error(error));
}

function giveUp(error) {
  worker?.terminate();
  worker = null;
  for (const { reject, timer } of waiting.values()) {
    clearTimeout(timer);
    reject(error);
  }
  waiting.clear();
}
