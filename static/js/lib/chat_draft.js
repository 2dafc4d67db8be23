// @ts-check
/** What was typed and not sent outlasts a reload, for each chat by itself, as long as the tab lives. */

/** @param {HTMLTextAreaElement} field @param {string} chat its number; "" for a new one */
export function keepDraft(field, chat) {
  const key = `draft-${chat}`;
  try {
    if (!field.value) field.value = sessionStorage.getItem(key) ?? "";
    const keep = () => sessionStorage.setItem(key, field.value);
    field.addEventListener("input", keep);
    return keep;
  } catch {
    return () => {}; // storage may be forbidden
  }
}
