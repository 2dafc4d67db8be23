// @ts-check
/** Reads that are repeated while the dashboard does not answer. The sign of the top bar says so. */

import { retryWait } from "./live_socket.js";

const ANSWER_MS = 60_000; // timeout of an attempt
const BUSY = new Set([408, 429, 502, 503, 504]);

/** True if a later attempt may get another answer. @param {number} status 0: no answer */
export function isBusy(status) {
  return status === 0 || BUSY.has(status);
}

/** Show the wait until the next attempt; 0: the dashboard has answered. @param {number} waitMs */
export function sayWait(waitMs) {
  const sign = document.getElementById("live");
  if (!sign) return;
  const wait = { n: Math.max(1, Math.round(waitMs / 1000)) };
  sign.hidden = !waitMs; // js/live.js shows its own text again
  sign.classList.toggle("off", waitMs > 0);
  sign.textContent = waitMs ? interpolate(gettext("no answer, retrying in %(n)s s"), wait, true) : "";
}

/**
 * GET `address`, with growing pauses between the attempts.
 * @template T
 * @param {string | URL} address
 * @param {(answer: Response) => T | Promise<T>} read gets an answer with any other status than those of
 *   an overloaded server; the last attempt's with any
 * @param {RequestInit & {tries?: number, timeoutMs?: number}} [options]
 * @returns {Promise<T>} rejected as `fetch` is, after the last attempt
 */
export async function readAgain(address, read, { tries = Infinity, timeoutMs = ANSWER_MS, signal, ...init } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    let answer = null;
    try {
      const limit = AbortSignal.timeout(timeoutMs);
      answer = await fetch(address, { signal: signal ? AbortSignal.any([signal, limit]) : limit, ...init });
      if (attempt < tries && isBusy(answer.status)) answer = null;
      else await answer.clone().arrayBuffer(); // all of it is here: errors of `read` are not the network's
    } catch (error) {
      answer = null;
      const isNetwork = error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
      if (attempt >= tries || !isNetwork) throw error;
    }
    if (answer) {
      if (attempt > 1) sayWait(0);
      return read(answer);
    }
    const wait = retryWait(attempt - 1) * (0.75 + Math.random() / 2); // not all pages at once
    sayWait(wait);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
