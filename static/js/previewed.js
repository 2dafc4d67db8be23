// @ts-check
/** Forms of a matrix and of a pipeline: a change shows their jobs anew. */

import { watchChecks } from "./lib/launch_checked.js";
import { nextForm } from "./lib/launch_front.js";
import { PreviewedForm } from "./lib/previewed_form.js";

const form = document.querySelector("form[data-previewed]");

if (form instanceof HTMLFormElement) {
  // Not `form.dataset`, which a field of that name hides.
  const previewed = new PreviewedForm(form, form.getAttribute("data-previewed") ?? "");
  const follow = (/** @type {Element} */ changed) => {
    const next = nextForm(changed, previewed.query, previewed.isTyped("host"));
    previewed.ask(next || `${location.pathname}?${previewed.query}`, changed, () => follow(changed));
  };
  form.addEventListener("change", ({ target }) => target instanceof Element && follow(target));
}
watchChecks();
