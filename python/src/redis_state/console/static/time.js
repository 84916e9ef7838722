/**
 * Times. All moments are unix milliseconds by the clock of the redis server, whatever this computer's clock says.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The server's clock, as far as the replies tell. */
export class Clock {
  #ahead = null;

  /**
   * Learns from a reply.
   *
   * @param {number} now the server's time in the reply.
   */
  sync(now) {
    if (!Number.isFinite(now)) return;
    const ahead = now - performance.now();
    // A reply that was long on its way is behind. The most advanced one is right, unless the server's clock was set.
    if (this.#ahead === null || ahead > this.#ahead || this.#ahead - ahead > 500) this.#ahead = ahead;
  }

  /** @returns {number} the server's time now. */
  now() {
    return this.#ahead === null ? Date.now() : performance.now() + this.#ahead;
  }
}

/**
 * Returns a span in its two largest units: `3 min 12 s`, `2 h 5 min`, `13 d 4 h`.
 *
 * @param {number} ms
 * @returns {string}
 */
export function span(ms) {
  const whole = Math.max(0, Math.floor(ms / SECOND) * SECOND);
  if (whole < MINUTE) return `${whole / SECOND} s`;
  if (whole < HOUR) return two(whole, MINUTE, "min", SECOND, "s");
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(ms, large, largeName, small, smallName) {
  const rest = Math.floor((ms % large) / small);
  const first = `${number(Math.floor(ms / large))} ${largeName}`;
  return rest ? `${first} ${rest} ${smallName}` : first;
}

/**
 * Returns how long ago a moment was.
 *
 * @param {number} at
 * @param {number} now
 * @returns {string}
 */
export function ago(at, now) {
  return now - at < SECOND ? "just now" : `${span(now - at)} ago`;
}

/**
 * Returns the time until a moment: minutes and seconds in the last hour, larger units before.
 *
 * @param {number} due
 * @param {number} now
 * @returns {string}
 */
export function countdown(due, now) {
  const left = Math.ceil((due - now) / SECOND);
  if (left <= 0) return "due now";
  if (left >= 3600) return span(left * SECOND);
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const WHOLE = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const DATE = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "numeric" });

/**
 * Returns a moment by the wall clock of this place, with the day unless that is today.
 *
 * @param {number} at
 * @param {number} now
 * @returns {string}
 */
export function wallClock(at, now) {
  const [date, day] = [new Date(at), new Date(now)];
  if (Number.isNaN(date.valueOf())) return "a far time";
  return date.toDateString() === day.toDateString() ? CLOCK.format(date) : `${DATE.format(date)}, ${CLOCK.format(date)}`;
}

/**
 * Returns a moment in full, to the second and with its zone.
 *
 * @param {number} at
 * @returns {string}
 */
export function inFull(at) {
  const date = new Date(at);
  return Number.isNaN(date.valueOf()) ? "a far time" : WHOLE.format(date);
}

/**
 * Returns a moment as the attribute `datetime` has it.
 *
 * @param {number} at
 * @returns {string}
 */
export function iso(at) {
  const date = new Date(at);
  return Number.isNaN(date.valueOf()) ? "" : date.toISOString();
}

const NUMBER = new Intl.NumberFormat("en");

/**
 * Returns a number with its thousands apart.
 *
 * @param {number} value
 * @returns {string}
 */
export function number(value) {
  return NUMBER.format(value);
}

/**
 * Returns a count with its noun.
 *
 * @param {number} count
 * @param {string} one the noun for one; with an `s` for several.
 * @returns {string}
 */
export function counted(count, one) {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}
