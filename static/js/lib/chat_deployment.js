// @ts-check
/** Another deployment is chosen: its state, its place, its own parameters and advice come from the dashboard. */

import { bindParams } from "./chat_params.js";

/** What of the page is about the chosen deployment. */
const PLACES = ["#chat-state", "#chat-sim", "#chat-place", "[data-context]"];

/**
 * @param {HTMLFormElement} form
 * @param {(problem: string) => void} complain
 */
export function bindDeployment(form, complain) {
  const choice = /** @type {HTMLSelectElement | null} */ (document.getElementById("deployment"));
  choice?.addEventListener("change", async () => {
    const address = new URL(location.href);
    address.searchParams.set("deployment", choice.value);
    const wanted = choice.value;
    const response = await fetch(address).catch(() => null);
    if (choice.value !== wanted) return; // another one was chosen meanwhile
    if (!response?.ok) return complain(gettext("The dashboard does not respond. Choose the deployment again."));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!page.getElementById("deployment")) return location.reload(); // logged out: this is the login page
    take(page, form);
    history.replaceState(history.state, "", address);
  });
}

/** @param {Document} page @param {HTMLFormElement} form */
function take(page, form) {
  for (const place of PLACES) {
    const fresh = page.querySelector(place);
    if (fresh) document.querySelector(place)?.replaceWith(fresh);
  }
  const prompt = /** @type {HTMLTextAreaElement} */ (document.getElementById("prompt"));
  const fresh = /** @type {HTMLTextAreaElement | null} */ (page.getElementById("prompt"));
  if (fresh) prompt.placeholder = fresh.placeholder;
  const opening = page.querySelector(".nothing");
  if (opening) document.querySelector(".nothing")?.replaceWith(opening);
  // A system prompt is a text that somebody wrote: it stays.
  const system = /** @type {HTMLTextAreaElement} */ (document.getElementById("p-system")).value;
  const params = page.querySelector("[data-params]");
  if (!params) return;
  document.querySelector("[data-params]")?.replaceWith(params);
  const field = /** @type {HTMLTextAreaElement} */ (document.getElementById("p-system"));
  field.value ||= system;
  bindParams(form);
}
