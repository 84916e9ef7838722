/**
 * Asks the console's server. Every call is a POST with a JSON body, so that no key is ever part of an address.
 */

import { connection } from "./connection.js";
import { Clock } from "./time.js";

const TOKEN = "redis-state-token";
const PATIENCE = 6000;

/** The redis server's clock, set by each reply. */
export const clock = new Clock();

/** A reply that isn't a success. `code` is the server's word for it, `offline` if there was no reply. */
export class ApiError extends Error {
  constructor(text, code, status = 0) {
    super(text);
    this.code = code;
    this.status = status;
  }

  /** Whether asking again later may help, without anybody doing anything. */
  get passes() {
    return this.code === "offline" || this.code === "unreachable";
  }
}

/**
 * Keeps the token of the address for this tab.
 *
 * @param {string} token
 */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** @returns {boolean} whether this tab has a token. */
export function hasToken() {
  return Boolean(sessionStorage.getItem(TOKEN));
}

/**
 * Asks, and tells `connection` whether the servers answer.
 *
 * @param {string} what the last part of the address: `fleet`, `machine` …
 * @param {object} body
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function ask(what, body) {
  try {
    const reply = await post(what, body);
    clock.sync(reply.now);
    connection.up();
    return reply;
  } catch (error) {
    if (error.passes) connection.down(error.code);
    else connection.up();
    throw error;
  }
}

async function post(what, body) {
  const [response, reply] = await answered(what, body);
  if (response.ok && reply) return reply;
  throw new ApiError(reply?.error ?? `The console answered ${response.status}.`, reply?.code ?? "unexpected", response.status);
}

async function answered(what, body) {
  try {
    const response = await fetch(`/api/${what}`, request(body));
    return [response, await response.json().catch(() => null)];
  } catch {
    throw new ApiError("The console doesn't answer.", "offline");
  }
}

function request(body) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  return { method: "POST", headers, body: JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
}
