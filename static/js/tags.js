// @ts-check
/** Field for tags: suggestions complete the tag after the last comma. */

import { completions } from "./lib/tag_names.js";

const known = document.getElementById("known-tags");

/** @param {HTMLInputElement} field @param {HTMLElement} list @param {string[]} names */
function bind(field, list, names) {
  field.addEventListener("input", () => {
    list.replaceChildren(
      ...completions(field.value, names).map((text) => {
        const option = document.createElement("option");
        option.value = text;
        return option;
      }),
    );
  });
}

if (known) {
  const names = [...known.querySelectorAll("option")].map((option) => option.value);
  for (const field of document.querySelectorAll("input[list=known-tags]")) {
    if (field instanceof HTMLInputElement) bind(field, known, names);
  }
}
