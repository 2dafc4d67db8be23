// @ts-check
/** Launch form: marks changes, follows the host, updates the address, prevents double launch. */

import { watchChecks } from "./lib/launch_checked.js";
import { nextForm } from "./lib/launch_front.js";
import { PreviewedForm } from "./lib/previewed_form.js";

const form = document.querySelector("[data-launch-form]");
const previewed = new PreviewedForm(/** @type {HTMLFormElement} */ (form), "#launch-page");
let isLate = false;

/**
 * Return a field's value in the format of the server's `data-default`.
 * @param {Element} field
 * @returns {string | null} null where there is nothing to fill in
 */
function valueOf(field) {
  const control = field.querySelector("select, textarea, input:not([type=hidden])");
  if (control instanceof HTMLInputElement && control.type === "checkbox") {
    return control.checked ? "1" : "0";
  }
  if (control instanceof HTMLInputElement && control.type === "radio") {
    const picked = field.querySelector("input:checked");
    return picked instanceof HTMLInputElement ? picked.value : "";
  }
  if (
    control instanceof HTMLInputElement ||
    control instanceof HTMLSelectElement ||
    control instanceof HTMLTextAreaElement
  ) {
    return control.disabled ? null : control.value;
  }
  return null;
}

/**
 * Return true if a field differs from its default.
 * @param {Element} field
 */
function isChanged(field) {
  if (!(field instanceof HTMLElement)) return false;
  const value = valueOf(field);
  return value !== null && value !== field.dataset.default;
}

/** Return true if a person gave a field its value. @param {Element} field */
function isEntered(field) {
  return isChanged(field) || previewed.isTyped(field.getAttribute("data-field") ?? "");
}

/** Show a dependent field only with the required value of the other. */
function showWhatCounts() {
  for (const field of document.querySelectorAll("[data-when]")) {
    if (!(field instanceof HTMLElement)) continue;
    const other = document.querySelector(`[data-field="${CSS.escape(field.dataset.when ?? "")}"]`);
    if (other instanceof HTMLElement) field.hidden = valueOf(other) !== field.dataset.whenValue;
  }
}

/** Errors arrive separately; fields under the cursor are not replaced. */
function markErrors() {
  for (const field of document.querySelectorAll(".f, .guide-switch")) {
    const control = field.querySelector(".form-control, .form-select, .form-check-input, [role=radiogroup]");
    const error = field.querySelector(".form-error");
    if (!control || control.hasAttribute("disabled")) continue;
    const wrong = Boolean(error?.textContent?.trim());
    control.classList.toggle("is-invalid", wrong);
    if (wrong) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

/** The button is never replaced, so that no click is lost during a preview. */
function markReady() {
  const ready = document.querySelector("[data-ready]")?.getAttribute("data-ready") === "yes";
  const needsConfirmation = document.querySelector("[data-confirm]:not(:checked)") !== null;
  const button = document.querySelector("[data-launch]");
  if (!(button instanceof HTMLButtonElement)) return;
  button.disabled = !ready || needsConfirmation || previewed.isUnanswered;
  button.toggleAttribute("aria-disabled", button.disabled);
  document.querySelector("[data-needs-confirmation]")?.toggleAttribute("hidden", !needsConfirmation);
}

/**
 * Bring the form to its current values, of those fields that `keeps` names.
 * @param {HTMLFormElement} element
 * @param {(field: Element) => boolean} keeps
 * @param {Element} changed
 */
async function openAgain(element, keeps, changed) {
  htmx.trigger(element, "htmx:abort"); // a preview on its way is of the form before
  const state = previewed.query;
  for (const name of new Set(state.keys())) {
    const field = document.querySelector(`[data-field="${CSS.escape(name)}"]`);
    const last = state.getAll(name).at(-1) ?? "";
    if (name === "confirm" || (field && !keeps(field))) state.delete(name);
    else state.set(name, last);
  }
  isLate = false;
  const next = nextForm(changed, state, previewed.isTyped("host"));
  const again = () => openAgain(element, keeps, changed);
  if (await previewed.ask(next || `${location.pathname}?${state}`, changed, again)) showEffects();
  if (document.activeElement === document.body) document.querySelector("[data-subject]")?.focus();
  if (isLate && !previewed.isAsking) htmx.trigger(element, "input");
}

/**
 * After a change of host: keep what a person entered and an endpoint, which is no host's. With an
 * endpoint or a copied job, the numbers stay too. Other defaults and assets are the new host's.
 * @param {HTMLFormElement} element
 * @param {Element} changed
 */
function followHost(element, changed) {
  const isEndpoint = (/** @type {Element} */ field) => valueOf(field)?.startsWith("endpoint:") ?? false;
  const assets = [...element.querySelectorAll("[data-asset]")];
  const isSettled = assets.some(isEndpoint) || element.querySelector("[name=against]") !== null;
  openAgain(element, (field) => {
    if (assets.includes(field)) return isEndpoint(field);
    return isEntered(field) || (isSettled && field.querySelector("select, [type=radio]") === null);
  }, changed);
}

/**
 * After a change that defaults depend on, or another form: keep changed values and all choices.
 * @param {HTMLFormElement} element
 * @param {Element} changed
 */
function followChoice(element, changed) {
  const chosen = changed.closest("[data-leads]");
  openAgain(element, (field) => field === chosen || field.hasAttribute("data-asset") || isEntered(field), changed);
}

/** Return true if a person changed this control before the script was there. @param {Element} control */
function isAnswered(control) {
  if (control instanceof HTMLInputElement) return control.checked && !control.defaultChecked;
  if (!(control instanceof HTMLSelectElement)) return false;
  const given = [...control.options].findIndex((one) => one.defaultSelected);
  return control.selectedIndex !== Math.max(given, 0);
}

/** The copy button copies the current address. */
function markShare() {
  const button = document.querySelector("[data-share]");
  if (button instanceof HTMLElement) button.dataset.copyText = location.href.split("#", 1)[0];
}

/** All that follows from the fields' values and from what the server says of them. */
function showEffects() {
  for (const field of document.querySelectorAll("[data-field]")) field.classList.toggle("is-changed", isChanged(field));
  showWhatCounts();
  markErrors();
  markReady();
  markShare();
}

if (form instanceof HTMLFormElement) {
  // Submitted and refused: the address lacks the input. (A field may hide `form.dataset`.)
  const address = form.getAttribute("data-address");
  if (address) history.replaceState(history.state, "", address);
  markShare();
  showWhatCounts();
  document.body.addEventListener("input", (event) => {
    if (!(event.target instanceof Element)) return;
    const field = event.target.closest("[data-field]");
    if (field) field.classList.toggle("is-changed", isChanged(field));
    showWhatCounts();
  });
  document.body.addEventListener("change", ({ target }) => {
    if (!(target instanceof Element)) return;
    if (target.matches("[data-host]")) followHost(form, target);
    else if (target.closest("[data-leads]") || target.matches("[data-subject], [name=for], [name=tool]")) followChoice(form, target);
    else if (target.matches("[data-confirm]")) markReady();
  });
  // While the fields themselves are renewed, a preview waits for them. A delayed preview has the address of the
  // form that was there before: ask that of this form.
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target !== form || !(event instanceof CustomEvent)) return;
    const isOld = event.detail.pathInfo.requestPath !== form.getAttribute("hx-post");
    if (!isOld && !previewed.isAsking) return;
    event.preventDefault();
    if (previewed.isAsking) isLate = true;
    else htmx.trigger(form, "input");
  });
  form.addEventListener("submit", () => {
    const button = document.querySelector("[data-launch]");
    // After this event loop turn, or the browser would not submit the form.
    setTimeout(() => button?.setAttribute("disabled", ""), 0);
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    markErrors();
    markReady();
    markShare();
  });
  watchChecks();
  for (const early of document.querySelectorAll("[data-subject], [name=for], [name=tool], [data-host]")) {
    if (isAnswered(early)) early.dispatchEvent(new Event("change", { bubbles: true }));
  }
  // Restored from the back/forward cache: enable the button again.
  window.addEventListener("pageshow", markReady);
}
