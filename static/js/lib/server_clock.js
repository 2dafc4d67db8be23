// @ts-check
/** The dashboard's clock. All times on a page are by it: a browser's own may be hours wrong. */

let aheadMs = 0; // of the browser's

/**
 * Take over what the server's clock says now.
 * @param {number} serverMs milliseconds since the epoch
 */
export function setClock(serverMs) {
  aheadMs = serverMs - Date.now();
}

/** Milliseconds since the epoch; until the server has answered, by the browser's clock. */
export function nowMs() {
  return Date.now() + aheadMs;
}
