// @ts-check
/** Launch form: marks changes, follows the host, updates the address, prevents double launch. */

import { watchChecks } from "./lib/launch_checked.js";

const form = document.querySelector("[data-launch-form]");

/**
 * Return a field's value in the format of the server's `data-default`.
 * @param {HTMLElement} field
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
  for (const field of document.querySelectorAll("[data-field]")) {
    const control = field.querySelector(".form-control, .form-select, .form-check-input, [role=radiogroup]");
    const error = field.querySelector(".form-hint.bad");
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
  button.disabled = !ready || needsConfirmation;
  button.toggleAttribute("aria-disabled", button.disabled);
  document.querySelector("[data-needs-confirmation]")?.toggleAttribute("hidden", !needsConfirmation);
}

/**
 * Reload the form with its current values.
 * @param {HTMLFormElement} element
 * @param {(field: Element) => boolean} keeps whether what a field holds goes along
 * @param {string} place where to go on in it
 */
function openAgain(element, keeps, place = "") {
  const state = new URLSearchParams();
  for (const [name, value] of new FormData(element)) {
    const field = document.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (["csrfmiddlewaretoken", "confirm"].includes(name) || (field && !keeps(field))) continue;
    state.set(name, String(value));
  }
  location.assign(`${location.pathname}?${state}${place}`);
}

/**
 * After a change of host: keep changed values, recompute defaults, drop assets of the old host.
 * @param {HTMLFormElement} element
 */
function followHost(element) {
  openAgain(element, (field) => isChanged(field) && !field.hasAttribute("data-asset"));
}

/**
 * After a change that defaults depend on: keep changed values and all choices.
 * @param {HTMLFormElement} element
 * @param {HTMLElement} chosen
 */
function followChoice(element, chosen) {
  const keeps = (/** @type {Element} */ field) =>
    field === chosen || field.hasAttribute("data-asset") || isChanged(field);
  openAgain(element, keeps, `#f-${chosen.dataset.field}`);
}

/** The copy button copies the current address. */
function markShare() {
  const button = document.querySelector("[data-share]");
  if (button instanceof HTMLElement) button.dataset.copyText = location.href.split("#", 1)[0];
}

if (form instanceof HTMLFormElement) {
  // Submitted and refused: the address lacks the input.
  if (form.dataset.address) history.replaceState(history.state, "", form.dataset.address);
  markShare();
  showWhatCounts();
  document.body.addEventListener("input", (event) => {
    if (!(event.target instanceof Element)) return;
    const field = event.target.closest("[data-field]");
    if (field) field.classList.toggle("is-changed", isChanged(field));
    showWhatCounts();
  });
  form.querySelector("[data-host]")?.addEventListener("change", () => followHost(form));
  document.body.addEventListener("change", (event) => {
    const chosen = event.target instanceof Element ? event.target.closest("[data-leads]") : null;
    if (chosen instanceof HTMLElement) followChoice(form, chosen);
  });
  // Restore keyboard focus after such a change.
  const led = document.querySelector(`[data-leads][data-field="${CSS.escape(location.hash.slice("#f-".length))}"]`);
  const control = led?.querySelector("select, input:checked, input[type=checkbox]");
  if (control instanceof HTMLElement) control.focus();
  form.addEventListener("submit", () => {
    const button = document.querySelector("[data-launch]");
    // After this event loop turn, or the browser would not submit the form.
    setTimeout(() => button?.setAttribute("disabled", ""), 0);
  });
  document.body.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("[data-confirm]")) markReady();
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    markErrors();
    markReady();
    markShare();
  });
  watchChecks();
  // Restored from the back/forward cache: enable the button again.
  window.addEventListener("pageshow", markReady);
}
