// @ts-check
/**
 * An answer's Markdown as page content: parsed by marked, cleaned by DOMPurify, formulas set by KaTeX,
 * code coloured by highlight.js. The one place where text of a model becomes elements.
 */

import { Marked } from "../../vendor/marked/marked.esm.js";
import DOMPurify from "../../vendor/dompurify/purify.es.js";
import hljs from "../../vendor/highlight/highlight.min.js";

// $…$ follows pandoc's rule: no space inside the dollars, no digit after, so that prices stay prices.
const BLOCK = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])/;
const INLINE = /^(?:\\\(([^]+?)\\\)|\$(?!\s)((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d))/;

/**
 * @param {string} name
 * @param {RegExp} rule
 * @param {"block" | "inline"} level
 */
function formulas(name, rule, level) {
  return {
    name,
    level,
    start: (/** @type {string} */ text) => {
      // A block that may begin in the middle of a line would cut the paragraph there.
      const at = text.search(level === "block" ? /(?<=\n)(?:\$\$|\\\[)/ : /\$|\\[[(]/);
      return at < 0 ? undefined : at;
    },
    tokenizer(/** @type {string} */ text) {
      const match = rule.exec(text);
      if (!match) return undefined;
      return { type: name, raw: match[0], text: (match[1] ?? match[2]).trim(), display: /^(\$\$|\\\[)/.test(match[0]) };
    },
    renderer: (/** @type {any} */ token) =>
      `<span class="tex" data-display="${token.display ? 1 : ""}">${escaped(token.text)}</span>`,
  };
}

const marked = new Marked({
  gfm: true,
  breaks: false,
  // HTML in an answer is text to read: an answer has no say in the page's markup.
  renderer: { html: (/** @type {{ text: string }} */ token) => escaped(token.text) },
  extensions: [
    formulas("tex_block", BLOCK, "block"),
    formulas("tex_display", BLOCK, "inline"),
    formulas("tex_inline", INLINE, "inline"),
  ],
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
 * Replace the content of `target` with `text` as Markdown.
 * @param {HTMLElement} target
 * @param {string} text
 */
export function renderMarkdown(target, text) {
  const html = /** @type {string} */ (marked.parse(text, { async: false }));
  const content = /** @type {DocumentFragment} */ (/** @type {unknown} */ (DOMPurify.sanitize(html, ALLOWED)));
  for (const link of content.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const heading of content.querySelectorAll("h1, h2, h3, h4, h5, h6")) lower(heading);
  for (const table of content.querySelectorAll("table")) frame(table);
  for (const code of content.querySelectorAll("pre > code")) dress(/** @type {HTMLElement} */ (code));
  for (const formula of content.querySelectorAll("span.tex")) setFormula(/** @type {HTMLElement} */ (formula));
  target.replaceChildren(content);
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

/** A head with language and copy button; colours where the language is known. @param {HTMLElement} code */
function dress(code) {
  const pre = /** @type {HTMLElement} */ (code.parentElement);
  const language = /(?:^|\s)language-(\S+)/.exec(code.className)?.[1] ?? "";
  const text = code.textContent ?? "";
  pre.tabIndex = 0;
  if (language && hljs.getLanguage(language)) {
    // highlight.js escapes the code that it is given.
    code.replaceChildren(
      DOMPurify.sanitize(hljs.highlight(text, { language }).value, { ...ALLOWED, ALLOWED_TAGS: ["span"] }),
    );
  }
  const head = document.createElement("span");
  head.className = "code-head";
  const name = document.createElement("span");
  name.textContent = language || gettext("text");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn quiet sm push";
  button.dataset.copyText = text;
  button.textContent = gettext("Copy");
  head.append(name, button);
  pre.prepend(head);
}

/** @param {HTMLElement} element */
function setFormula(element) {
  const source = element.textContent ?? "";
  try {
    katex.render(source, element, {
      displayMode: element.dataset.display === "1",
      throwOnError: true,
      maxExpand: 200,
      trust: false,
      strict: "ignore",
    });
  } catch {
    // A formula that is not whole yet, or is none: its source is what there is to read.
    element.textContent = source;
    element.classList.add("raw");
  }
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
