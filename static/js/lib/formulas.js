// @ts-check
/** Where formulas stand in a text: $…$, $$…$$, \(…\), \[…\], bare environments, \boxed{…} and \ce{…}. Pure. */

const ENVIRONMENTS = "(?:align|alignat|equation|gather|multline|cases|CD|split|array|[pbvBV]?matrix|aligned|gathered)";
const DISPLAY = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])/;
const ENVIRONMENT = new RegExp(`^\\\\begin\\{(${ENVIRONMENTS}\\*?)\\}[^]*?\\\\end\\{\\1\\}`);
const COMMAND = /^\\(?:boxed|ce)\{/;
// $…$ follows pandoc's rule: no space inside the dollars, no digit after, so that prices stay prices.
const INLINE = /^(?:\\\(([^]+?)\\\)|\$(?!\s)((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d))/;
// "$10 today; price is 5$": an amount and a word.
const PRICE = /^\d[\d.,]*(?:[\s;:!?(-]+[A-Za-z]{2,}|\s*[\u4e00-\u9fff])/;
// A block that may begin in the middle of a line would cut the paragraph there.
const BEGINS = {
  block: new RegExp(`(?<=\\n)(?:\\$\\$|\\\\\\[|\\\\begin\\{${ENVIRONMENTS})`),
  inline: new RegExp(`\\$|\\\\[[(]|\\\\(?:boxed|ce)\\{|\\\\begin\\{${ENVIRONMENTS}`),
};
/** @type {Record<string, string>} */
const ARROWS = { "<=>": "\\rightleftharpoons ", "<->": "\\leftrightarrow ", "->": "\\rightarrow ", "<-": "\\leftarrow " };
const LONGEST_COMMAND = 4000;
const LONGEST_TEXT = 20_000;

/**
 * Where a formula may begin next.
 * @param {string} text
 * @param {"block" | "inline"} level
 * @returns {number | undefined}
 */
export function mayBegin(text, level) {
  const at = text.search(BEGINS[level]);
  return at < 0 ? undefined : at;
}

/**
 * The formula with which a text begins.
 * @param {string} text
 * @param {"block" | "inline"} level
 * @returns {{ raw: string, text: string, display: boolean } | undefined}
 */
export function formulaAt(text, level) {
  const formula = rawAt(text, level);
  return formula && { ...formula, text: withChemistry(formula.text) };
}

/**
 * A text that is no Markdown, as formulas and what stands between them.
 * @param {string} text
 * @returns {({ raw: string, text: string, display: boolean } | string)[]}
 */
export function formulaParts(text) {
  if (text.length > LONGEST_TEXT) return [text];
  const parts = [];
  let between = "";
  for (let rest = text; rest; ) {
    const at = mayBegin(rest, "inline");
    const formula = at === undefined ? undefined : formulaAt(rest.slice(at), "inline");
    const end = at === undefined ? rest.length : at + (formula ? 0 : 1);
    between += rest.slice(0, end);
    if (formula) {
      if (between) parts.push(between);
      parts.push(formula);
      between = "";
    }
    rest = rest.slice(end + (formula?.raw.length ?? 0));
  }
  if (between) parts.push(between);
  return parts;
}

/** @param {string} text @param {"block" | "inline"} level */
function rawAt(text, level) {
  const display = DISPLAY.exec(text);
  if (display) return { raw: display[0], text: (display[1] ?? display[2]).trim(), display: true };
  const environment = ENVIRONMENT.exec(text);
  if (environment) return { raw: environment[0], text: environment[0], display: true };
  if (level === "block") return undefined;
  const command = COMMAND.test(text) ? balanced(text) : "";
  if (command) return { raw: command, text: command, display: false };
  const inline = INLINE.exec(text);
  if (!inline || PRICE.test(inline[2] ?? "")) return undefined;
  return { raw: inline[0], text: (inline[1] ?? inline[2]).trim(), display: false };
}

/** KaTeX by itself knows no \\ce: elements, numbers, charges, states and arrows; else it stays. @param {string} text */
function withChemistry(text) {
  return text.replace(/\\ce\{((?:[^{}]|\{[^{}]*\})*)\}/g, (whole, inside) => {
    if (!/^[A-Za-z0-9()[\]{}^_+\-<>=.,\s]*$/.test(inside)) return whole;
    const latex = inside
      .replace(/<=>|<->|->|<-/g, (/** @type {string} */ arrow) => ARROWS[arrow])
      .replace(/(?<=[A-Za-z)\]])(\d+)/g, "_{$1}")
      .replace(/\^(\d*[+-]|\d+)/g, "^{$1}")
      .replace(/(?<=[A-Za-z\]}])([+-])(?=\s|$)/g, "^{$1}")
      .replace(/\s+/g, "\\ ");
    return `\\mathrm{${latex}}`;
  });
}

/** A text up to the brace that closes its first one; "" where none does. @param {string} text */
function balanced(text) {
  let depth = 0;
  for (let at = text.indexOf("{"); at < Math.min(text.length, LONGEST_COMMAND); at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "{") depth += 1;
    else if (text[at] === "}" && (depth -= 1) === 0) return text.slice(0, at + 1);
  }
  return "";
}
