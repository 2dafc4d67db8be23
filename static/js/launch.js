// @ts-check
/** The launch form: marks what was changed, follows the host, keeps the address, never launches twice. */

import { watchChecks } from "./lib/launch_checked.js";

const form = document.querySelector("[data-launch-form]");

/**
 * What a field holds, as the server writes its proposal in `data-default`.
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
 * Whether a field holds something else than what was proposed.
 * @param {Element} field
 */
function isChanged(field) {
  if (!(field instanceof HTMLElement)) return false;
  const value = valueOf(field);
  return value !== null && value !== field.dataset.default;
}

/** A field that counts only with another's value is there only then. */
function showWhatCounts() {
  for (const field of document.querySelectorAll("[data-when]")) {
    if (!(field instanceof HTMLElement)) continue;
    const other = document.querySelector(`[data-field="${CSS.escape(field.dataset.when ?? "")}"]`);
    if (other instanceof HTMLElement) field.hidden = valueOf(other) !== field.dataset.whenValue;
  }
}

/** Errors arrive beside the fields; the fields themselves are left alone under the cursor. */
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

/** The button is never replaced, so that no click is lost while the preview comes in. */
function markReady() {
  const ready = document.querySelector("[data-ready]")?.getAttribute("data-ready") === "yes";
  const asks = document.querySelector("[data-confirm]:not(:checked)") !== null;
  const button = document.querySelector("[data-launch]");
  if (!(button instanceof HTMLButtonElement)) return;
  button.disabled = !ready || asks;
  button.toggleAttribute("aria-disabled", button.disabled);
  document.querySelector("[data-asks]")?.toggleAttribute("hidden", !asks);
}

/**
 * The same form anew, with what is in it.
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
 * On another host: what was changed goes along, what was only proposed is proposed anew; assets of
 * the old host are not there.
 * @param {HTMLFormElement} element
 */
function followHost(element) {
  openAgain(element, (field) => isChanged(field) && !field.hasAttribute("data-asset"));
}

/**
 * With another choice that proposals follow: the same, and all that was chosen goes along.
 * @param {HTMLFormElement} element
 * @param {HTMLElement} chosen
 */
function followChoice(element, chosen) {
  const keeps = (/** @type {Element} */ field) =>
    field === chosen || field.hasAttribute("data-asset") || isChanged(field);
  openAgain(element, keeps, `#f-${chosen.dataset.field}`);
}

/** The button that copies a link copies the address as it is now. */
function markShare() {
  const button = document.querySelector("[data-share]");
  if (button instanceof HTMLElement) button.dataset.copyText = location.href.split("#", 1)[0];
}

if (form instanceof HTMLFormElement) {
  // Sent and refused: the address has lost what was typed.
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
  // After such a change whoever uses the keys goes on where they were.
  const led = document.querySelector(`[data-leads][data-field="${CSS.escape(location.hash.slice("#f-".length))}"]`);
  const control = led?.querySelector("select, input:checked, input[type=checkbox]");
  if (control instanceof HTMLElement) control.focus();
  form.addEventListener("submit", () => {
    const button = document.querySelector("[data-launch]");
    // After this turn of the loop, or the browser would not send the form.
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
  // Back to the form from the job's page: it comes from the browser's cache, button still off.
  window.addEventListener("pageshow", markReady);
}
