// @ts-check
/** Texts of a log panel. */

import { grouped, size } from "./formats.js";

/** @typedef {"live" | "waiting" | "over"} State */

/**
 * @param {number} lines @param {number} bytes
 * @param {import("./log_folds.js").LogFolds} folds where there are too many, the size names how far they go
 */
export function sizeWords(lines, bytes, folds) {
  if (!lines) return "";
  const template = ngettext("%(n)s line", "%(n)s lines", lines);
  const parts = [interpolate(template, { n: grouped(lines) }, true), size(bytes)];
  if (folds.isFull) parts.push(interpolate(gettext("progress bars collapsed up to line %(n)s"), { n: grouped(folds.lines) }, true));
  return parts.join(" · ");
}

/**
 * Label of the own-requests switch: number of lines it hides.
 * @param {HTMLButtonElement} button @param {import("./log_polls.js").LogPolls} polls
 */
export function pollWords(button, { lines, isOn }) {
  const template = isOn
    ? ngettext("%(n)s own request hidden", "%(n)s own requests hidden", lines)
    : ngettext("Hide %(n)s own request", "Hide %(n)s own requests", lines);
  const label = interpolate(template, { n: grouped(lines) }, true);
  const place = button.querySelector("[data-log=polls]");
  if (place && place.textContent !== label) place.textContent = label;
  button.hidden = lines === 0;
  button.setAttribute("aria-pressed", String(isOn));
}

/** @param {unknown} error */
export function unreadWords(error) {
  const why = error instanceof Error ? error.message : String(error);
  return interpolate(gettext("The log cannot be read: %(why)s"), { why }, true);
}

/**
 * Text in place of lines, if a filter matches none.
 * @param {import("./log_rows.js").LogRows} rows @param {string} mode
 */
export function filterWords(rows, mode) {
  if (!rows.only || rows.count) return "";
  return mode === "warnings" ? gettext("No warnings or errors.") : gettext("No line matches.");
}

/** @param {string} state */
export function emptyWords(state) {
  return state === "over" ? gettext("No output.") : gettext("No output has arrived yet.");
}

/**
 * @param {string} state @param {boolean} isFollowing
 * @param {number} fresh lines that came since a person stopped following
 */
export function pillWords(state, isFollowing, fresh) {
  if (isFollowing) return state === "waiting" ? gettext("Disconnected, retrying") : gettext("Following");
  if (!fresh && state === "over") return gettext("Go to end");
  const template = fresh ? ngettext("%(n)s new line", "%(n)s new lines", fresh) : gettext("Paused");
  const label = interpolate(template, { n: grouped(fresh) }, true);
  return state === "waiting" ? interpolate(gettext("%(said)s · disconnected"), { said: label }, true) : label;
}

/** @param {State} state */
export function stateWords(state) {
  if (state === "over") return gettext("The log is complete.");
  return state === "live" ? gettext("The log is live again.") : gettext("The log is disconnected, retrying.");
}

/**
 * Error of a requested place, "" for none.
 * @param {string} text as it was typed @param {import("./log_place.js").Place} place @param {number} lines there are
 */
export function placeWords(text, [first], lines) {
  if (!first) return interpolate(gettext("“%(text)s” is not a line number. Enter 120, or a range such as 120-140."), { text }, true);
  if (first <= lines) return "";
  const template = ngettext("The log has %(n)s line.", "The log has %(n)s lines.", lines);
  return interpolate(template, { n: grouped(lines) }, true);
}

/** @param {import("./log_search.js").LogSearch} search */
export function matchWords({ text, error, answer, at }) {
  if (error) return error;
  if (!text) return "";
  if (!answer.total) return gettext("no match");
  return at < 0 ? grouped(answer.total) : `${grouped(at + 1)} / ${grouped(answer.total)}`;
}

/**
 * Step that ended meanwhile, "" for none.
 * @param {import("./log_rows.js").Step[]} before @param {import("./log_rows.js").Step[]} now
 */
export function stepWords(before, now) {
  const ended = now.find((step, i) => step.state !== before[i]?.state && ["succeeded", "failed"].includes(step.state));
  if (!ended) return "";
  const template = ended.state === "failed" ? gettext("%(step)s: failed") : gettext("%(step)s: done");
  return interpolate(template, { step: ended.title }, true);
}
