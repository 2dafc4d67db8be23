// @ts-check
/** The parameters beside a chat: sliders, what differs from the recommended, where they stand on a phone. */

import { bindPresets } from "./chat_presets.js";

const KEPT = "side-by-side-params";

/** @param {HTMLFormElement} form */
export function bindParams(form) {
  const box = /** @type {HTMLElement | null} */ (document.querySelector("[data-params]"));
  if (!box) return;
  const button = /** @type {HTMLElement} */ (box.querySelector("[data-recommended]"));
  /** @type {Record<string, number | string>} */
  const recommended = JSON.parse(button.dataset.recommended ?? "{}");
  const fields = /** @type {(HTMLInputElement | HTMLTextAreaElement)[]} */ (
    [...form.elements].filter((element) => box.contains(element))
  );

  function mark() {
    for (const field of fields) {
      const wanted = String(recommended[field.name] ?? "");
      field.classList.toggle("changed", field.value.trim() !== wanted);
      const slider = /** @type {HTMLInputElement | null} */ (box?.querySelector(`[data-pair="${field.id}"]`));
      if (slider && field.value.trim()) slider.value = field.value;
    }
    showPreset();
    const advice = /** @type {HTMLElement | null} */ (box?.querySelector("[data-advice]"));
    const system = fields.find((field) => field.name === "system");
    if (advice) advice.hidden = !system?.value.trim();
  }

  const showPreset = bindPresets({ box, fields, recommended, changed: mark, complain: showProblems });
  box.addEventListener("input", (event) => {
    const slider = /** @type {HTMLInputElement} */ (event.target);
    if (slider.dataset.pair) {
      const field = /** @type {HTMLInputElement} */ (document.getElementById(slider.dataset.pair));
      field.value = String(Number(slider.value));
    }
    mark();
  });
  button.addEventListener("click", () => {
    for (const field of fields) field.value = String(recommended[field.name] ?? "");
    mark();
  });
  mark();
  rememberFold();
}

/**
 * Each problem at its field; those of before go.
 * @param {Record<string, string>} fields problem by name
 */
export function showProblems(fields) {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-params] [data-error]"))) {
    const problem = fields[place.dataset.error ?? ""] ?? "";
    const field = document.getElementById(place.id.replace(/-error$/, ""));
    place.hidden = !problem;
    const words = place.querySelector("span:last-child");
    if (words) words.textContent = problem;
    field?.classList.toggle("is-invalid", problem !== "");
    if (!problem) {
      field?.removeAttribute("aria-invalid");
      continue;
    }
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-describedby", place.id);
    place.closest("details")?.setAttribute("open", "");
  }
}

/** As if a person had typed it. @param {string} name @param {string} value */
export function setParam(name, value) {
  const field = /** @type {HTMLInputElement | null} */ (document.getElementById(`p-${name}`));
  if (!field) return;
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** On a small screen the parameters stand in a menu of the head. Once a page. */
export function placeOnPhone() {
  const aside = document.querySelector("[data-params]")?.parentElement;
  const menu = document.querySelector("[data-params-here]");
  const small = window.matchMedia("(max-width: 1100px)");
  const place = () => {
    const box = document.querySelector("[data-params]");
    if (box) (small.matches ? menu : aside)?.append(box);
  };
  small.addEventListener("change", place);
  place();
}

function rememberFold() {
  const fold = /** @type {HTMLInputElement | null} */ (document.getElementById("fold"));
  if (!fold) return;
  try {
    fold.checked = localStorage.getItem("fold-reasoning") !== "no";
    fold.addEventListener("change", () => localStorage.setItem("fold-reasoning", fold.checked ? "yes" : "no"));
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
}

/** Values that were changed outlast another choice of columns, as long as the tab lives. @param {HTMLFormElement} form */
export function keepParams(form) {
  const box = document.querySelector("[data-params]");
  const fields = /** @type {HTMLInputElement[]} */ ([...form.elements].filter((one) => box?.contains(one)));
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    for (const { name } of fields) {
      if (name in kept) setParam(name, kept[name]);
    }
    addEventListener("pagehide", () => {
      const changed = fields.filter((field) => field.classList.contains("changed"));
      sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(changed.map((field) => [field.name, field.value]))));
    });
  } catch {
    // Storage may be forbidden: the values then last as long as the page.
  }
}
