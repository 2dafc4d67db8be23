// @ts-check
/** Table of data sets: a typed column name goes into the heading, the copied text and the URL. */

for (const panel of document.querySelectorAll("[data-sets]")) bind(/** @type {HTMLElement} */ (panel));

/** @param {HTMLElement} panel */
function bind(panel) {
  const form = /** @type {HTMLFormElement} */ (panel.querySelector("form"));
  const input = /** @type {HTMLInputElement} */ (form.querySelector("[name=name]"));
  const copy = /** @type {HTMLElement} */ (panel.querySelector("[data-pattern]"));
  const own = input.defaultValue;

  function show() {
    const name = input.value.trim() || own;
    for (const head of panel.querySelectorAll(".scores thead th:nth-child(5)")) head.textContent = name;
    const cell = name.replaceAll("|", "\\|").split(/\s+/).join(" ");
    copy.dataset.copyText = (copy.dataset.pattern ?? "").replaceAll("{name}", () => cell);
    const address = new URL(location.href);
    if (input.value.trim() && input.value.trim() !== own) address.searchParams.set("name", name);
    else if (!input.value.trim()) address.searchParams.delete("name");
    history.replaceState(history.state, "", address);
  }

  input.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
}
