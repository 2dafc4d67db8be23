// @ts-check
/** What every page has: theme, keys, menus, the viewer's zone, copy buttons. */

import { bindKeys } from "./keys.js";
import { bindConfirm } from "./confirm.js";
import { bindCopy } from "./copy.js";
import { isBusy, sayWait } from "./lib/again.js";
import { elapsed } from "./lib/formats.js";
import { retryWait } from "./lib/live_socket.js";
import { nowMs } from "./lib/server_clock.js";
import { bindSearch } from "./search.js";
import { bindTallTables } from "./lib/tall_table.js";

const root = document.documentElement;

/** The viewer's zone, for times that the server writes. */
function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone}; path=${root.dataset.root}; max-age=31536000; samesite=lax`;
}

function switchTheme() {
  const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
  root.dataset.bsTheme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage may be forbidden: the theme then lasts as long as the page.
  }
  document.dispatchEvent(new CustomEvent("theme"));
}

/** A menu closes when something else is clicked, and at Escape. */
function closeMenus(/** @type {Event} */ event) {
  for (const menu of document.querySelectorAll("details.pop[open]")) {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
  }
}

/** "3 s ago" grows older by itself. */
function ageTimes() {
  for (const element of document.querySelectorAll("time[data-since]")) {
    const passed = Math.max(0, (nowMs() - Date.parse(element.getAttribute("datetime") || "")) / 1000);
    if (passed < 60) element.textContent = interpolate(gettext("%(n)s s ago"), { n: Math.floor(passed) }, true);
    else if (passed < 3600)
      element.textContent = interpolate(gettext("%(n)s min ago"), { n: Math.floor(passed / 60) }, true);
  }
}

/** How long something has been running. */
function runClocks() {
  for (const clock of document.querySelectorAll("[data-runs-since]")) {
    const since = Date.parse(clock.getAttribute("data-runs-since") ?? "");
    if (!Number.isNaN(since)) clock.textContent = elapsed((nowMs() - since) / 1000);
  }
}

/** Of tabs that do not fit, the one that is shown is in sight. */
function showTabs() {
  for (const tabs of document.querySelectorAll(".seg")) {
    const shown = tabs.querySelector("[aria-current], label:has(:checked)");
    if (!(shown instanceof HTMLElement) || tabs.scrollWidth <= tabs.clientWidth) continue;
    const { left, width } = shown.getBoundingClientRect();
    tabs.scrollLeft += left + width / 2 - tabs.getBoundingClientRect().left - tabs.clientWidth / 2;
  }
}

function tick() {
  ageTimes();
  runClocks();
}

/** A form of filters goes off when something is chosen; text waits for Enter. */
function submitFilters(/** @type {Event} */ event) {
  if (!(event.target instanceof HTMLSelectElement)) return;
  event.target.form?.matches("[data-autosubmit]") && event.target.form.requestSubmit();
}

/** Empty filters stay out of the address. */
function dropEmpty(/** @type {FormDataEvent} */ event) {
  if (!(event.target instanceof HTMLFormElement) || !event.target.matches("[data-autosubmit]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
}

/** @type {Map<Element, number>} failed attempts of each part */
const attempts = new Map();

/**
 * htmx asks once: a part without an answer is asked for again. Reads and previews only; other posts ask a host.
 * @param {any} event
 */
function askAgain({ detail: { xhr, requestConfig } }) {
  const { elt, verb, path } = requestConfig;
  if (!isBusy(xhr.status) || !(verb === "get" || elt.matches("[data-launch-form]"))) return;
  const attempt = attempts.get(elt) ?? 0;
  attempts.set(elt, attempt + 1);
  const wait = retryWait(attempt);
  sayWait(wait);
  setTimeout(() => {
    if (!elt.isConnected) forget(elt);
    else if (attempts.has(elt)) htmx.ajax(verb, path, { source: elt });
  }, wait);
}

/** A part has its answer, or is gone. @param {Element} elt */
function forget(elt) {
  if (attempts.delete(elt) && !attempts.size) sayWait(0);
}

/** @param {any} event */
function answered({ detail: { successful, requestConfig } }) {
  if (successful) forget(requestConfig.elt);
}

rememberZone();
bindKeys();
bindConfirm();
bindCopy();
bindSearch();
bindTallTables();
showTabs();
document.getElementById("theme")?.addEventListener("click", switchTheme);
document.addEventListener("click", closeMenus);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.pop[open]")) {
    menu.removeAttribute("open");
    menu.querySelector("summary")?.focus();
  }
});
document.body.addEventListener("htmx:sendError", askAgain);
document.body.addEventListener("htmx:responseError", askAgain);
document.body.addEventListener("htmx:afterRequest", answered);
document.addEventListener("change", submitFilters);
document.addEventListener("formdata", dropEmpty);
document.addEventListener("live:updated", tick);
tick();
setInterval(tick, 1000);
