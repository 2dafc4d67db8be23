// @ts-check
/** Presets beside a chat: choose one, save the present parameters as one. */

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

/**
 * @typedef {object} ParamsBox the parameters of a page
 * @property {HTMLElement} box
 * @property {Field[]} fields
 * @property {Record<string, number | string>} recommended by name
 * @property {() => void} changed call it after a choice
 * @property {(problems: Record<string, string>) => void} complain of fields, by name
 */

/** @param {ParamsBox} params @returns {() => void} show which preset the parameters are now; call it after each change */
export function bindPresets(params) {
  const { box, fields, recommended, changed, complain } = params;
  bindSaving(params);
  const choice = /** @type {HTMLSelectElement} */ (box.querySelector("[data-preset]"));

  /** @param {HTMLOptionElement} option @returns {(field: Field) => string} */
  const wanted = (option) => {
    const texts = JSON.parse(option.dataset.texts ?? "{}");
    return (field) => String(texts[field.name] ?? recommended[field.name] ?? "");
  };
  let isLoading = false;
  choice.addEventListener("input", async () => {
    const [option] = choice.selectedOptions;
    isLoading = true;
    const isKnown = !option.value || option.dataset.texts || (await load(option, choice.dataset.preset ?? ""));
    if (choice.selectedOptions[0] !== option) return; // another one was chosen meanwhile
    isLoading = false;
    complain(isKnown ? {} : { preset: gettext("The preset did not load. Choose it again.") });
    const text = wanted(option);
    if (isKnown) for (const field of fields) field.value = text(field);
    changed();
  });
  return () => {
    if (isLoading) return;
    const [none, ...presets] = choice.options;
    const known = presets.filter((option) => option.dataset.texts);
    const now = known.find((option) => fields.every((field) => field.value.trim() === wanted(option)(field).trim()));
    (now ?? none).selected = true;
  };
}

/** @param {HTMLOptionElement} option @param {string} address of preset 0 @returns {Promise<boolean>} */
async function load(option, address) {
  const response = await fetch(address.replace("/0/", `/${option.value}/`)).catch(() => null);
  const isJson = response?.ok && response.headers.get("content-type")?.startsWith("application/json");
  if (response && isJson) option.dataset.texts = await response.text();
  return Boolean(isJson);
}

/** What differs from the recommended values is saved: another model has its own. @param {ParamsBox} params */
function bindSaving({ box, fields, recommended, changed, complain }) {
  const form = box.querySelector("[data-new-preset] form");
  if (!(form instanceof HTMLFormElement)) return;
  const said = /** @type {HTMLElement} */ (form.querySelector("[data-said]"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const own = fields.filter((field) => field.value.trim() !== String(recommended[field.name] ?? ""));
    for (const { name, value } of own) data.set(name, value);
    const name = String(data.get("name"));
    const response = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" } }).catch(() => null);
    const isJson = response?.headers.get("content-type")?.startsWith("application/json");
    const answer = response && isJson ? await response.json() : { error: gettext("The dashboard does not respond. Save the preset again.") };
    complain(answer.fields ?? {});
    said.classList.toggle("form-error", "error" in answer);
    said.textContent = answer.error ?? interpolate(gettext("%(name)s saved."), { name }, true);
    if ("error" in answer) return;
    form.reset();
    const option = new Option(name, answer.id);
    option.dataset.texts = JSON.stringify(Object.fromEntries(own.map((field) => [field.name, field.value])));
    box.querySelector("[data-preset]")?.append(option);
    box.querySelector("[data-presets]")?.removeAttribute("hidden");
    changed();
  });
}
