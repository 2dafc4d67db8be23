// @ts-check
/**
 * A host's line, by drag and by keyboard. A row moves at once and goes back when the server says no;
 * what the server then knows replaces the list. Without this the buttons are plain forms.
 */

import { swap } from "./lib/fragments.js";
import { canStand, neighbour, positionText } from "./lib/queue_rows.js";

/** @type {HTMLElement | null} */
let dragged = null;
/** @type {Element | null} */
let wasBefore = null;
let asked = 0;
/** Moves are sent one after the other: each counts from where the one before has left the row. */
let lastMove = Promise.resolve("");

const list = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-queue]"));

/** Handles are of use only with this script. */
function showGrips() {
  for (const grip of document.querySelectorAll("[data-grip]")) grip.removeAttribute("hidden");
}

/** While somebody moves a row, what comes from the server waits. @param {boolean} on */
function hold(on) {
  list()?.toggleAttribute("data-keep", on);
}

/** Bring the page's live part to what the server says now. */
async function refresh() {
  const part = list()?.closest("[data-live][id]");
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = part && fresh.getElementById(part.id);
  hold(false);
  if (part && next) swap(part, next);
  document.dispatchEvent(new CustomEvent("live:updated"));
}

/**
 * @param {string} address
 * @param {FormData} body
 * @returns {Promise<string>} why it was refused; "" when it was not
 */
async function post(address, body) {
  try {
    // Kept alive: who leaves the page at once has moved the row all the same.
    const options = { method: "POST", body, keepalive: true, headers: { Accept: "application/json" } };
    const answer = await fetch(address, options);
    return answer.ok ? "" : (await answer.json()).message;
  } catch {
    return gettext("The server does not respond. The order is unchanged.");
  }
}

/**
 * Tell the server; the list is as it says afterwards, whether it agreed or not.
 * @param {HTMLElement} row
 * @param {Record<string, string>} where
 */
async function tell(row, where) {
  const form = row.querySelector("[data-queue-form]");
  if (!(form instanceof HTMLFormElement)) return;
  const body = new FormData(form);
  for (const [name, value] of Object.entries(where)) body.set(name, value);
  const mine = (asked += 1);
  hold(true);
  lastMove = lastMove.then(() => post(form.action, body));
  const refusal = await lastMove;
  if (mine !== asked) return; // a later move will bring the list
  const focused = document.activeElement;
  try {
    await refresh();
  } catch {
    hold(false); // the server is away: the page's own polling brings the list
  }
  say(refusal, row);
  if (focused instanceof HTMLElement && row.contains(focused)) keepFocus(row, focused);
}

/** @param {string} refusal @param {HTMLElement} row */
function say(refusal, row) {
  const error = document.querySelector("[data-queue-error]");
  if (error) error.textContent = refusal;
  const announcer = document.getElementById("announcer");
  if (announcer && !refusal && row.isConnected) announcer.textContent = positionText(row);
}

/** A button that has just been switched off hands the focus to its neighbour. @param {HTMLElement} row @param {HTMLElement} focused */
function keepFocus(row, focused) {
  const usable = row.querySelector("[data-queue-form] button:not(:disabled)") ?? row.querySelector("summary");
  if (focused.matches(":disabled")) /** @type {HTMLElement | null} */ (usable)?.focus();
  else focused.focus();
}

/**
 * Put `row` before `next` (null: at the end), with the focus where it was.
 * @param {HTMLElement} row
 * @param {Element | null} next
 */
function put(row, next) {
  const focused = document.activeElement;
  row.parentElement?.insertBefore(row, next);
  if (focused instanceof HTMLElement && row.contains(focused)) focused.focus();
}

/** @param {HTMLElement} row @param {"earlier" | "later"} to */
function step(row, to) {
  const button = row.querySelector(`[data-queue-form] button[value="${to}"]`);
  const other = neighbour(row, to);
  if (!(button instanceof HTMLButtonElement) || button.disabled) return;
  if (other) put(row, to === "earlier" ? other : other.nextElementSibling);
  tell(row, { to });
}

document.addEventListener("submit", (event) => {
  const form = event.target instanceof Element ? event.target.closest("[data-queue-form]") : null;
  const row = form?.closest("[data-queue-job]");
  const to = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "";
  if (!(row instanceof HTMLElement) || (to !== "earlier" && to !== "later")) return;
  event.preventDefault();
  step(row, to);
});

document.addEventListener("keydown", (event) => {
  const row = event.target instanceof Element ? event.target.closest("[data-queue-job]") : null;
  const to = { ArrowUp: "earlier", ArrowDown: "later" }[event.key];
  if (!event.altKey || !(row instanceof HTMLElement) || !to) return;
  event.preventDefault();
  step(row, /** @type {"earlier" | "later"} */ (to));
});

// Only a row that was taken by its handle can be dragged: its text can still be selected.
document.addEventListener("pointerdown", (event) => {
  const grip = event.target instanceof Element ? event.target.closest("[data-grip]") : null;
  const row = grip?.closest("[data-queue-job]");
  if (!(row instanceof HTMLElement)) return;
  row.draggable = true;
  hold(true); // an update before the first move would end the drag
});
/** The handle is let go without a drag; at its start the browser cancels the pointer, too. */
function letGo() {
  if (dragged) return;
  const taken = document.querySelectorAll("[data-queue-job][draggable]");
  for (const row of taken) row.removeAttribute("draggable");
  if (taken.length) hold(false);
}
document.addEventListener("pointerup", letGo);
document.addEventListener("pointercancel", letGo);

document.addEventListener("dragstart", (event) => {
  const row = event.target instanceof Element ? event.target.closest("[data-queue-job][draggable]") : null;
  if (!(row instanceof HTMLElement) || !event.dataTransfer) return;
  dragged = row;
  wasBefore = row.nextElementSibling;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", row.dataset.queueJob ?? "");
  row.classList.add("is-dragged");
  hold(true);
});

document.addEventListener("dragover", (event) => {
  const over = event.target instanceof Element ? event.target.closest("[data-queue-job]") : null;
  if (!dragged || !(over instanceof HTMLElement)) return;
  if (over !== dragged && !canStand(dragged, over)) return; // among those of its priority only
  event.preventDefault();
  if (over === dragged) return;
  const box = over.getBoundingClientRect();
  put(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextElementSibling);
});

document.addEventListener("drop", (event) => {
  if (dragged) event.preventDefault();
});

document.addEventListener("dragend", (event) => {
  const row = dragged;
  if (!row) return;
  dragged = null;
  row.classList.remove("is-dragged");
  row.removeAttribute("draggable");
  if (event.dataTransfer?.dropEffect === "none") row.parentElement?.insertBefore(row, wasBefore); // Escape
  if (row.nextElementSibling === wasBefore) {
    hold(false);
    return;
  }
  const [next, previous] = [neighbour(row, "later"), neighbour(row, "earlier")];
  if (next) tell(row, { before: next.dataset.queueJob ?? "" });
  else if (previous) tell(row, { after: previous.dataset.queueJob ?? "" });
});

document.addEventListener("live:updated", showGrips);
showGrips();
