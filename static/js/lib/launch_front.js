// @ts-check
/** Questions at the top of a launch form: which model or engine, what for, which tool. */

/**
 * Return the address of the form that another answer leads to; "" if this form stays.
 * @param {Element} target the control that changed
 * @param {URLSearchParams} state all that is entered
 * @param {boolean} isHostChosen a person chose the host: another model does not move it
 */
export function nextForm(target, state, isHostChosen) {
  const start = target.closest("[data-front]")?.getAttribute("data-front");
  const isSubject = target instanceof HTMLSelectElement && target.matches("[data-subject]");
  const isElsewhere = isSubject && target.selectedOptions[0]?.hasAttribute("data-elsewhere");
  if (!start || !(isElsewhere || target.matches("[name=for], [name=tool]"))) return "";
  if (isSubject && !isHostChosen) {
    state.set("near", state.get("host") ?? "");
    state.delete("host");
  }
  return `${start}?${state}`;
}
