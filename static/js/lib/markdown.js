// @ts-check
/**
 * An answer's Markdown as page content: parsed by marked, cleaned by DOMPurify, formulas set by KaTeX,
 * code coloured by highlight.js. The one place where text of a model becomes elements.
 */

import { Marked } from "../../vendor/marked/marked.esm.js";
import DOMPurify from "../../vendor/dompurify/purify.es.js";
import hljs from "../../vendor/highlight/highlight.min.js";
import { escaped } from "./escape.js";
import { dress, footnote, reference } from "./footnotes.js";
import { formulaAt, formulaParts, mayBegin } from "./formulas.js";

const MOST_FORMULAS = 500; // that are kept set
const MOST_COLOURED = 100_000; // characters of one block of code
const LABEL = 60;

/** @typedef {{ type: string, raw: string } & Record<string, any>} Token */

/** @param {string} name @param {"block" | "inline"} level */
function formulas(name, level) {
  return {
    name,
    level,
    start: (/** @type {string} */ text) => mayBegin(text, level),
    tokenizer(/** @type {string} */ text) {
      const formula = formulaAt(text, level);
      return formula ? { type: name, ...formula } : undefined;
    },
    renderer: (/** @type {any} */ token) =>
      `<span class="tex" data-display="${token.display ? 1 : ""}">${escaped(token.text)}</span>`,
  };
}

// Marks of Chinese and Japanese, which CommonMark takes for the punctuation of English.
const MARK = "[\u2014\u2018-\u201f\u2026\u3000-\u303f\uff00-\uff0f\uff1a-\uff1f\uff3b-\uff3d\uff5b-\uff65]";
const INSIDE = "[^*\\n`\\\\$\\[\\]<]"; // no code, escape, formula, link or other mark
const STRONG = new RegExp(`^\\*\\*(${MARK}${INSIDE}*?|(?!\\s)${INSIDE}*?${MARK})\\*\\*`);

/**
 * `**“粗体”**后文`: CommonMark wants a space or punctuation around such a bold text, and Chinese has
 * none.
 */
const chineseStrong = {
  name: "chinese_strong",
  level: /** @type {"inline"} */ ("inline"),
  start: (/** @type {string} */ text) => text.indexOf("**"),
  /** @this {any} @param {string} text */
  tokenizer(text) {
    const found = STRONG.exec(text);
    if (!found || /\s$/.test(found[1])) return undefined;
    return { type: "strong", raw: found[0], text: found[1], tokens: this.lexer.inlineTokens(found[1]) };
  },
};

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    // HTML in an answer is text to read: an answer has no say in the page's markup.
    html: (/** @type {{ text: string }} */ token) => escaped(token.text),
    checkbox: (/** @type {{ checked: boolean }} */ token) => `<span class="task">${token.checked ? "☑" : "☐"}</span> `,
    // Nothing is loaded from where an answer points to.
    image(/** @type {{ href: string, text: string }} */ token) {
      const label = token.text || token.href.slice(-LABEL) || gettext("image");
      return `<a href="${escaped(token.href)}">${escaped(gettext("image"))}: ${escaped(label)}</a>`;
    },
  },
  extensions: [formulas("tex_block", "block"), formulas("tex_inline", "inline"), chineseStrong, footnote, reference],
});

const ALLOWED = {
  // No style, no id, no form, no media: an answer is text.
  ALLOWED_TAGS: (
    "a b blockquote br code del div em h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sub sup table tbody td th thead tr ul"
  ).split(" "),
  ALLOWED_ATTR: ["href", "class", "data-display", "align", "start"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * The blocks of a text: `raw` of each together are the text.
 * @param {string} text
 * @returns {Token[] & { links: Record<string, any> }}
 */
export function blocksOf(text) {
  return /** @type {any} */ (marked.lexer(text));
}

/**
 * A block as page content.
 * @param {Token} token
 * @param {Record<string, any>} links what the text's references lead to
 * @returns {DocumentFragment}
 */
export function rendered(token, links) {
  const html = marked.parser(/** @type {any} */ (Object.assign([token], { links })));
  const content = /** @type {DocumentFragment} */ (/** @type {unknown} */ (DOMPurify.sanitize(html, ALLOWED)));
  for (const link of content.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const mark of content.querySelectorAll("sup.note-of")) dress(mark);
  for (const heading of content.querySelectorAll("h1, h2, h3, h4, h5, h6")) lower(heading);
  for (const table of content.querySelectorAll("table")) frame(table);
  for (const list of content.querySelectorAll("ol")) widen(list, list.children.length);
  for (const code of content.querySelectorAll("pre > code")) {
    const language = /(?:^|\s)language-(\S+)/.exec(code.className)?.[1] ?? "";
    const dressed = codeBlock(language, code.textContent ?? "");
    colour(dressed);
    code.parentElement?.replaceWith(dressed);
  }
  for (const formula of content.querySelectorAll("span.tex")) setFormula(/** @type {HTMLElement} */ (formula));
  return content;
}

/** The page has its own h1 and h2: those of an answer stand below them. @param {Element} heading */
function lower(heading) {
  const level = Math.min(6, Number(heading.tagName[1]) + 2);
  const lowered = document.createElement(`h${level}`);
  lowered.append(...heading.childNodes);
  heading.replaceWith(lowered);
}

/** @param {HTMLTableElement} table */
function frame(table) {
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  table.classList.add("t", "dense");
  table.replaceWith(scroll);
  scroll.append(table);
}

/** Room for numbers of three digits and more. @param {HTMLOListElement} list @param {number} count */
export function widen(list, count) {
  const digits = String(list.start + count - 1).length;
  if (digits > 2) list.className = `d${Math.min(6, digits)}`;
}

/**
 * Code under a head with language and copy button, without colours.
 * @param {string} language
 * @param {string} text
 */
export function codeBlock(language, text) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  const head = document.createElement("span");
  head.className = "code-head";
  const name = document.createElement("span");
  name.textContent = language || gettext("text");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn subtle sm push";
  button.dataset.copyText = "";
  button.textContent = gettext("Copy");
  const code = document.createElement("code");
  if (language) code.dataset.language = language;
  code.textContent = text;
  // What stands there when it is clicked: the block may still grow.
  button.addEventListener("click", () => {
    button.dataset.copyText = code.textContent ?? "";
  });
  head.append(name, button);
  pre.append(head, code);
  return pre;
}

/** Colours where the language is known. @param {HTMLElement} pre */
export function colour(pre) {
  const code = /** @type {HTMLElement} */ (pre.querySelector("code"));
  const language = code.dataset.language ?? "";
  const text = code.textContent ?? "";
  if (!language || text.length > MOST_COLOURED || !hljs.getLanguage(language)) return;
  // highlight.js escapes the code that it is given.
  code.replaceChildren(
    DOMPurify.sanitize(hljs.highlight(text, { language }).value, { ...ALLOWED, ALLOWED_TAGS: ["span"] }),
  );
}

/** Set the formulas of a text that is no Markdown: its lines and marks stay. @param {HTMLElement} element */
export function setFormulas(element) {
  const parts = formulaParts(element.textContent ?? "");
  if (parts.every((part) => typeof part === "string")) return;
  element.replaceChildren(
    ...parts.map((part) => {
      if (typeof part === "string") return part;
      const span = document.createElement("span");
      span.className = "tex";
      span.dataset.display = part.display ? "1" : "";
      span.textContent = part.text;
      setFormula(span);
      return span;
    }),
  );
}

/** @type {Map<string, DocumentFragment>} */
const setBefore = new Map();

/** @param {HTMLElement} element */
function setFormula(element) {
  const source = element.textContent ?? "";
  const key = `${element.dataset.display}${source}`;
  const known = setBefore.get(key);
  if (known) return element.replaceChildren(known.cloneNode(true));
  try {
    katex.render(source, element, {
      displayMode: element.dataset.display === "1",
      throwOnError: true,
      maxExpand: 200,
      maxSize: 20, // em
      trust: false,
      strict: "ignore",
    });
  } catch {
    // A formula that is not whole yet, or is none: its source is what there is to read.
    element.textContent = source;
    element.classList.add("raw");
    return;
  }
  const fragment = document.createDocumentFragment();
  fragment.append(...[...element.childNodes].map((node) => node.cloneNode(true)));
  if (setBefore.size >= MOST_FORMULAS) setBefore.clear();
  setBefore.set(key, fragment);
}
