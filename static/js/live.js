// @ts-check
/**
 * Keeps every `[data-live="job:17 deployment"]` up to date: a hint says that something changed, and
 * the page asks for itself again (or for `data-live-url`). Hints may be lost: it also asks by itself.
 * Others hear of hints as `live:notification` on the document, and of new content as `live:updated`.
 */

import { sayWait } from "./lib/again.js";
import { Asks } from "./lib/asks.js";
import { concerns, restMs, swap, topics } from "./lib/fragments.js";
import { connect, socketUrl } from "./lib/live_socket.js";
import { setClock } from "./lib/server_clock.js";

const HEARTBEAT_MS = 5000;
const SURE_MS = 15_000; // with a connection
const POLL_MS = 5_000; // without; and of readings, of which no hint comes
const ANSWER_MS = 60_000; // timeout of an answer

const root = document.documentElement.dataset.root ?? "/";
const sign = document.getElementById("live");
/** @type {Map<string, Asks>} */
const pages = new Map();
let halfTripMs = 0;
let isOpen = false;
let wasClosed = false;

/** @param {Element} element */
function addressOf(element) {
  return element.getAttribute("data-live-url") ?? location.pathname + location.search;
}

/** @param {string} address */
function pageOf(address) {
  const known = pages.get(address) ?? new Asks(() => ask(address));
  pages.set(address, known);
  return known;
}

/** @param {string} address */
async function ask(address) {
  if (document.hidden) return; // asked again when somebody looks
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.redirected && new URL(answer.url).pathname.startsWith(`${root}login`)) location.reload();
    else if (answer.ok) show(address, await answer.text());
  } catch {
    // The server is away: the indicator says so, and we ask again.
  }
}

/**
 * @param {string} address
 * @param {string} text
 */
function show(address, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  // A log that was removed since; a server that is started again has one again, and the page the scripts for it.
  const isOld = [...document.querySelectorAll("[data-reload][id]")].some((element) => !fresh.getElementById(element.id));
  const isOurs = fresh.querySelector("[data-live][id]") !== null; // no page of a proxy
  if (isOld && isOurs && address === location.pathname + location.search) location.reload();
  for (const element of [...document.querySelectorAll("[data-live][id]")]) {
    if (!element.isConnected || addressOf(element) !== address) continue;
    const next = fresh.getElementById(element.id);
    if (next) swap(element, next);
  }
  if (fresh.title) document.title = fresh.title;
  document.dispatchEvent(new CustomEvent("live:updated"));
}

/** @param {(element: Element) => boolean} which */
function addresses(which) {
  const matches = [...document.querySelectorAll("[data-live][id]")].filter(which).map(addressOf);
  return new Set(matches);
}

function askForAll() {
  for (const address of addresses(() => true)) pageOf(address).soon(restMs("job"));
}

/** @param {string} data */
function heard(data) {
  const notification = JSON.parse(data);
  if (notification.type === "pong") {
    halfTripMs = (performance.now() - notification.t) / 2;
    if (notification.at_ms) setClock(notification.at_ms + halfTripMs);
    say(halfTripMs);
  } else if (notification.type === "missed") {
    askForAll();
  } else if (notification.type !== "hello") {
    if (notification.age_ms !== undefined) say(notification.age_ms + halfTripMs);
    document.dispatchEvent(new CustomEvent("live:notification", { detail: notification }));
    const about = topics(notification);
    for (const address of addresses((element) => concerns(element, about))) pageOf(address).soon(restMs(notification.type));
  }
}

/** @param {number} ms from the event to the page */
function say(ms) {
  if (!sign) return;
  sign.hidden = false;
  sign.classList.remove("off");
  sign.textContent = interpolate(gettext("live %(ms)s ms"), { ms: Math.max(1, Math.round(ms)) }, true);
}

/**
 * @param {"open" | "waiting" | "over"} state
 * @param {number} detail
 */
function changed(state, detail) {
  isOpen = state === "open";
  if (isOpen) {
    socket.send(JSON.stringify({ type: "ping", t: performance.now() }));
    // What happened meanwhile; where something runs, since the page was made as well.
    if (wasClosed || document.querySelector("[data-runs-since]")) askForAll();
    wasClosed = false;
    return;
  }
  wasClosed = true;
  if (state !== "over") return sayWait(Math.max(1, detail));
  pageOf(location.pathname + location.search).now(); // to the login page, when that is why
  if (!sign) return;
  sign.hidden = false;
  sign.classList.add("off");
  sign.textContent = gettext("not live");
}

function lookAnyway() {
  if (document.hidden) return;
  // Each by its own clock: the rail may hear of a job just when the page hears of nothing.
  const withReadings = addresses((element) => element.hasAttribute("data-readings"));
  for (const address of addresses(() => true)) {
    const limit = isOpen && !withReadings.has(address) ? SURE_MS : POLL_MS;
    if (performance.now() - pageOf(address).last > limit) pageOf(address).soon(restMs("job"));
  }
}

const socket = connect({
  url: () => socketUrl(`${root}ws/live/`),
  onMessage: heard,
  onState: changed,
  heartbeatMs: HEARTBEAT_MS,
});
// The address remembers which groups of jobs are unfolded: the page asks for itself with it.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-unfold]") : null;
  const part = link?.closest("[data-live][id]");
  if (!(link instanceof HTMLAnchorElement) || !part || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(history.state, "", link.href);
  pageOf(addressOf(part)).now();
});
setInterval(lookAnyway, 1000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) askForAll();
});
