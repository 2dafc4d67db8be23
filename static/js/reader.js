// @ts-check
/** The reader of answers: J, K and arrows step; the next answers are there before they are asked for. */

import { readAgain } from "./lib/again.js";
import { AnswerView } from "./lib/answer_view.js";

const KEPT = 12; // answers
const AHEAD = [1, -1, 2];
const FIELDS = "input, textarea, select, [contenteditable='true']";
const narrow = window.matchMedia("(max-width: 760px)");
const root = /** @type {HTMLElement} */ (document.querySelector("[data-reader]"));
const pane = /** @type {HTMLElement} */ (root.querySelector("[data-pane]"));
const view = new AnswerView();
/** @type {Map<string, Promise<string>>} */
const kept = new Map();
let turn = 0;

/** @param {string} name @returns {HTMLElement | null} */
function part(name) {
  return root.querySelector(`[data-${name}]`);
}

/** @returns {HTMLAnchorElement[]} */
function rows() {
  return [...root.querySelectorAll("a[data-row]")].filter((link) => link instanceof HTMLAnchorElement);
}

/** The place of the shown answer in this page of the list; -1: not in it. */
function place() {
  const index = pane.querySelector("[data-answer]")?.getAttribute("data-answer");
  return rows().findIndex((link) => link.dataset.row === index);
}

/**
 * A part of a page, as text.
 * @param {string} address
 * @param {string} target
 */
function fragment(address, target) {
  const read = (/** @type {Response} */ response) => {
    if (!response.ok || response.redirected) throw new Error(`${response.status}`);
    return response.text();
  };
  return readAgain(address, read, { headers: { "HX-Target": target } });
}

/** An answer's text, asked for once. @param {string} address */
function load(address) {
  const known = kept.get(address);
  if (known) return known;
  const asked = fragment(address, "answer");
  asked.catch(() => kept.delete(address));
  kept.set(address, asked);
  for (const old of [...kept.keys()].slice(0, -KEPT)) kept.delete(old);
  return asked;
}

/** @param {string} text @returns {Element[]} */
function elements(text) {
  return [...new DOMParser().parseFromString(text, "text/html").body.children];
}

/** Show the answer of a row. @param {HTMLAnchorElement} link */
async function show(link) {
  const mine = (turn += 1);
  mark(link);
  let text;
  try {
    text = await load(link.href);
  } catch {
    location.assign(link.href); // logged out, or gone: the page says what
    return;
  }
  if (mine !== turn) return; // another key came meanwhile
  view.keep(pane);
  pane.replaceChildren(...elements(text));
  history.replaceState(history.state, "", link.href);
  const top = root.getBoundingClientRect().top + window.scrollY;
  if (window.scrollY > top) window.scrollTo({ top: Math.max(0, top - 60) });
  view.dress(pane);
  head();
  ahead();
}

/** @param {HTMLAnchorElement} link */
function mark(link) {
  for (const row of rows()) {
    row.closest("tr")?.classList.toggle("on", row === link);
    if (row === link) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  if (narrow.matches) return;
  link.focus({ preventScroll: true });
  const scroll = link.closest(".scroll");
  const row = link.closest("tr");
  if (!scroll || !row) return;
  const { top, bottom } = scroll.getBoundingClientRect();
  const box = row.getBoundingClientRect();
  const heading = scroll.querySelector("thead")?.getBoundingClientRect().height ?? 0;
  if (box.top < top + heading) scroll.scrollTop -= top + heading - box.top;
  else if (box.bottom > bottom) scroll.scrollTop += box.bottom - bottom;
}

/** The head of the pane: title, place in the list, where the buttons lead. */
function head() {
  const list = part("list");
  const at = place();
  const shown = pane.querySelector("[data-answer]");
  const title = part("title");
  if (title) title.textContent = shown?.getAttribute("data-heading") ?? "";
  const n = Number(list?.dataset.first) + at;
  const total = list?.dataset.total ?? "";
  const where = part("place");
  if (where) where.textContent = at < 0 ? "" : interpolate(gettext("%(n)s of %(total)s"), { n, total }, true);
  for (const button of root.querySelectorAll("a[data-go]")) {
    const next = rows()[at + Number(button.getAttribute("data-go"))];
    const turning = list?.querySelector(`[data-turn][rel="${button.getAttribute("rel")}"]`);
    const address = next?.href ?? turning?.getAttribute("href");
    if (address) button.setAttribute("href", address);
    else button.removeAttribute("href");
    if (address) button.removeAttribute("aria-disabled");
    else button.setAttribute("aria-disabled", "true");
  }
}

function ahead() {
  const at = place();
  if (at < 0) return;
  for (const step of AHEAD) {
    const link = rows()[at + step];
    if (link) load(link.href).catch(() => {}); // asked again when it is shown
  }
}

/** Show another page of the list. @param {string} address @returns {Promise<boolean>} */
async function turnTo(address) {
  try {
    const [fresh] = elements(await fragment(address, "answer-list"));
    part("list")?.replaceWith(fresh);
  } catch {
    location.assign(address);
    return false;
  }
  return true;
}

/** @param {number} step */
async function go(step) {
  const at = place();
  const link = at < 0 ? rows()[0] : rows()[at + step];
  if (link) {
    await show(link);
    return;
  }
  const turning = root.querySelector(`a[data-turn][rel="${step > 0 ? "next" : "prev"}"]`);
  if (!(turning instanceof HTMLAnchorElement) || !(await turnTo(turning.href))) return;
  const there = rows();
  const first = there[step > 0 ? 0 : there.length - 1];
  if (first) await show(first);
}

/** @param {KeyboardEvent} event @returns {number} the step that a key means; 0: none */
function stepOf(event) {
  const isInList = event.target instanceof Element && event.target.closest("[data-list]") !== null;
  if (event.key === "j" || event.key === "ArrowRight") return 1;
  if (event.key === "k" || event.key === "ArrowLeft") return -1;
  // Elsewhere they scroll what is read.
  if (isInList && event.key === "ArrowDown") return 1;
  if (isInList && event.key === "ArrowUp") return -1;
  return 0;
}

document.addEventListener(
  "keydown",
  (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.closest(FIELDS)) return;
    const step = stepOf(event);
    const search = document.getElementById("reader-text");
    if (step) go(step);
    else if (event.key === "r") view.fold(pane);
    else if (event.key === "/" && search instanceof HTMLInputElement) search.select();
    else return;
    event.preventDefault();
  },
  true,
);

root.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("a[data-row], a[data-go], a[data-turn]");
  if (!(link instanceof HTMLAnchorElement) || !link.href) return;
  if (link.dataset.row !== undefined && narrow.matches) return; // a page of its own
  event.preventDefault();
  if (link.dataset.row !== undefined) show(link);
  else if (link.dataset.go) go(Number(link.dataset.go));
  else turnTo(link.href).then(head);
});

view.keep(pane);
view.dress(pane);
const current = rows()[place()];
if (current && !narrow.matches) current.closest("tr")?.scrollIntoView({ block: "nearest" });
ahead();
