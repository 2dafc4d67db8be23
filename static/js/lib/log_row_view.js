// @ts-check
/** Rows of a log as elements. Output becomes text, never HTML. */

import { spans, strip } from "./ansi.js";
import { duration, grouped, size } from "./formats.js";
import { cut } from "./log_marks.js";
import { lastState } from "./log_redraw.js";

const LONGEST = 1000; // max characters of a folded line
// The server counts warnings with the same pattern: dashboard/api/logs.py.
const WARNS = /(WARN|WARNING)\b/;
const BREAKS = /(ERROR|CRITICAL|FATAL)\b|Traceback \(most|(Error|Exception):/;

/**
 * @typedef {{number: number, atMs: number | null, texts: string[], folded: number,
 *   rest: {bytes: number, url: string} | null}} Line
 *   `texts`: more than one when lines draw over each other; `folded`: how many lines the row stands for
 *   besides; `rest`: of a line that is too long to be read whole: bytes that were not, where it is to be had
 * @typedef {{find: (text: string) => import("./log_marks.js").Range[], now: number, isLinked: boolean,
 *   isLong: boolean, isOpen: boolean}} View
 *   `now`: which match of the line is looked at; `isLong`: unfolded; `isOpen`: the lines that it stands
 *   for are shown
 */

const icons = document.documentElement.dataset.icons ?? "";

/** @param {string} name an id of icons.svg @param {string} [classes] */
export function svg(name, classes = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  if (classes) element.setAttribute("class", classes);
  element.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${icons}#${name}`);
  element.append(use);
  return element;
}

/** @param {string} tag @param {string} classes @param {string} [text] */
function make(tag, classes, text) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** @param {number} atMs */
function clock(atMs) {
  const time = new Date(atMs);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const element = make("time", "", [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":"));
  element.setAttribute("datetime", time.toISOString());
  element.title = time.toLocaleString();
  return element;
}

/** The number of a line, which is a link to it. @param {number} number */
function permalink(number) {
  const link = make("a", "", String(number));
  link.setAttribute("href", `#L${number}`);
  link.draggable = false;
  link.tabIndex = -1; // avoid a thousand tab stops
  return link;
}

/** @param {string} text a whole text, escape sequences and all */
function tone(text) {
  const head = strip(text.slice(0, 400));
  if (BREAKS.test(head)) return " bad";
  return WARNS.test(head) ? " warn" : "";
}

/** @param {import("./ansi.js").Span} span */
function piece({ text, classes, fg, bg }) {
  if (!classes) return text;
  const element = make("span", classes, text);
  if (fg) element.style.setProperty("--fg", fg);
  if (bg) element.style.setProperty("--bg", bg);
  return element;
}

/**
 * @param {HTMLElement} into @param {string} text @param {View} view
 * @param {number} earlier matches of this row before this text
 * @returns {number} matches in this text
 */
function addText(into, text, view, earlier) {
  const pieces = spans(text);
  const marks = view.find(pieces.map((part) => part.text).join(""));
  for (const part of cut(pieces, marks)) {
    if (part.mark >= 0) {
      const element = make("mark", earlier + part.mark === view.now ? "now" : "");
      element.append(piece(part));
      into.append(element);
    } else {
      into.append(piece(part));
    }
  }
  return marks.length;
}

/** @param {string} text @param {string} action */
function fold(text, action = "") {
  const element = make(action ? "button" : "span", "fold", text);
  if (element instanceof HTMLButtonElement) element.type = "button";
  if (action) element.dataset.do = action;
  return element;
}

/** Text of a line that is not shown whole. @param {number} characters @param {Line["rest"]} rest */
function more(characters, rest) {
  if (!rest) return fold(interpolate(gettext("+%(n)s characters"), { n: grouped(characters) }, true), "unfold");
  const label = interpolate(gettext("… %(size)s more, download"), { size: size(rest.bytes + characters) }, true);
  const link = make("a", "fold", label);
  link.setAttribute("href", rest.url);
  return link;
}

/**
 * @param {Line} line @param {View} view
 * @returns {HTMLElement}
 */
export function lineRow(line, view) {
  const states = line.texts.map(lastState);
  const texts = states.map((state) => state.text);
  const redraws = line.folded ? 0 : states[0].redraws;
  const row = make("div", `l${tone(texts.at(-1) ?? "")}${view.isLinked ? " at" : ""}`);
  row.dataset.line = String(line.number);
  row.append(permalink(line.number));
  row.append(line.atMs === null ? make("time", "") : clock(line.atMs));
  const body = make("span", "");
  let matches = 0;
  let extra = 0;
  texts.forEach((text, i) => {
    if (i) body.append("\n");
    const isCut = (!view.isLong || line.rest) && text.length > LONGEST;
    if (isCut) extra += text.length - LONGEST;
    matches += addText(body, isCut ? text.slice(0, LONGEST) : text, view, matches);
  });
  if (extra || line.rest) body.append(more(extra, line.rest));
  if (redraws) {
    const template = ngettext("%(n)s earlier update", "%(n)s earlier updates", redraws);
    body.append(fold(interpolate(template, { n: grouped(redraws) }, true)));
  }
  if (line.folded) {
    const template = ngettext("%(n)s collapsed update", "%(n)s collapsed updates", line.folded);
    const element = fold(interpolate(template, { n: grouped(line.folded) }, true), "drawn");
    element.setAttribute("aria-expanded", String(view.isOpen));
    body.append(element);
  }
  row.append(body);
  return row;
}

/**
 * @param {import("./log_rows.js").Step} step @param {number} group
 * @param {[number, number]} lines @param {boolean} isOpen
 * @param {number | null} matches of what is looked for, null where there is nothing to say
 */
export function groupRow(step, group, [from, to], isOpen, matches) {
  const row = make("button", "grp");
  if (row instanceof HTMLButtonElement) row.type = "button";
  row.dataset.group = String(group);
  row.setAttribute("aria-expanded", String(isOpen));
  const state = make("span", `st ${step.look[0]}`);
  state.append(svg(`s-${step.look[1]}`), step.title);
  const facts = [];
  if (matches) {
    const template = ngettext("%(n)s match", "%(n)s matches", matches);
    facts.push(interpolate(template, { n: grouped(matches) }, true));
  }
  if (to >= from) {
    const template = from === to ? gettext("line %(from)s") : gettext("lines %(from)s–%(to)s");
    facts.push(interpolate(template, { from: grouped(from), to: grouped(to) }, true));
  } else facts.push(gettext("no lines"));
  if (step.duration_s !== null) facts.push(duration(step.duration_s));
  if (step.exit_code === 0 && step.state === "failed") facts.push(gettext("exit code 0, no result"));
  else if (step.exit_code !== null) facts.push(interpolate(gettext("exit %(code)s"), { code: step.exit_code }, true));
  row.append(svg("i-chevron-right", "i s c"), state, make("span", "small dim num push", facts.join(" · ")));
  return row;
}

/** A row whose bytes are on their way. @param {number} number */
export function waitingRow(number) {
  const row = make("div", "l");
  row.append(permalink(number), make("time", ""), make("span", "dim", "…"));
  return row;
}
