/**
 * The address's fragment: which view, and of what.
 */

import { fromFragment, toFragment } from "./names.js";

/**
 * Reads a fragment.
 *
 * @param {string} hash with its `#`.
 * @returns {{view: string, name?: string, revision?: number|null, state?: string|null, key?: string}}
 */
export function route(hash) {
  const [kind, ...parts] = hash.replace(/^#\/?/, "").split("/");
  if (kind === "machine" && parts.length) return { view: "machine", key: fromFragment(parts.join("/")) };
  if (kind === "fleet" && parts.length) return fleetRoute(parts);
  return { view: "fleets" };
}

function fleetRoute([name, ...parts]) {
  const found = { view: "fleet", name: fromFragment(name), revision: null, state: null };
  for (let at = 0; at + 1 < parts.length; at += 2) {
    if (parts[at] === "revision" && /^\d+$/.test(parts[at + 1])) found.revision = Number(parts[at + 1]);
    if (parts[at] === "state") found.state = fromFragment(parts[at + 1]);
  }
  return found;
}

/**
 * Returns the token of a fragment `#token=…`, null if it has none.
 *
 * @param {string} hash
 * @returns {string|null}
 */
export function tokenOf(hash) {
  return /^#token=(.+)$/.exec(hash)?.[1] ?? null;
}

/**
 * Returns the address of a machine.
 *
 * @param {string} key
 * @returns {string}
 */
export function machineLink(key) {
  return `#/machine/${toFragment(key)}`;
}

/**
 * Returns the address of a fleet, of one of its revisions, of the machines in one of its states.
 *
 * @param {string} name
 * @param {number|null} [revision]
 * @param {string|null} [state]
 * @returns {string}
 */
export function fleetLink(name, revision = null, state = null) {
  const part = revision === null ? "" : `/revision/${revision}`;
  return `#/fleet/${toFragment(name)}${part}${state === null ? "" : `/state/${toFragment(state)}`}`;
}
