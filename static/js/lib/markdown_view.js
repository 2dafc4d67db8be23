// @ts-check
/**
 * A text of Markdown that may grow: each time only what changed is drawn. What stands there already stays
 * the same element, with its selection, its scroll and its buttons. A long text is drawn in slices.
 */

import { blocksOf, codeBlock, colour, rendered, widen } from "./markdown.js";
import { morph } from "./morph.js";

const FIRST_SLICE_MS = 30;
const SLICE_MS = 12;
// A block may still change while one behind it begins: a paragraph becomes a heading, a list goes on.
const UNSETTLED = 4;
// While it grows, code of this length is coloured each time; a longer block when it is whole.
const COLOURED_LIVE = 3000;
const ANEW = "\0"; // in place of a block's text: what its references lead to is known only now

/** @typedef {import("./markdown.js").Token} Token */
/** @typedef {{ raw: string, token: Token, nodes: Node[], isFinal: boolean }} Block */

export class MarkdownView {
  /** @param {HTMLElement} target */
  constructor(target) {
    this.target = target;
    this.text = "";
    /** @type {Token[]} */
    this.tokens = [];
    /** @type {Record<string, any>} */
    this.links = {};
    /** What stands in the page. @type {Block[]} */
    this.blocks = [];
    /** @type {Token[]} */
    this.wanted = [];
    this.isEnded = false;
    this.timer = 0;
    /** Called after each slice but the first. @type {() => void} */
    this.onSlice = () => {};
    target.replaceChildren();
  }

  /**
   * @param {string} text
   * @param {boolean} [ended] it grows no more
   */
  update(text, ended = false) {
    this.isEnded = ended;
    this.#lex(text.replace(/\r\n?/g, "\n"));
    this.wanted = this.tokens.filter((token) => token.type !== "space" && token.type !== "def");
    clearTimeout(this.timer);
    this.#draw(FIRST_SLICE_MS);
  }

  /** @param {string} text */
  #lex(text) {
    // References may be said at the end of a text: then all of it is read once more.
    const isMore = !this.isEnded && text.startsWith(this.text);
    const settled = isMore ? this.tokens.slice(0, Math.max(0, this.tokens.length - UNSETTLED)) : [];
    const at = settled.reduce((sum, token) => sum + token.raw.length, 0);
    const rest = blocksOf(text.slice(at));
    const isWhole = rest.reduce((sum, token) => sum + token.raw.length, at) === text.length;
    if (isWhole || !at) {
      this.tokens = [...settled, ...rest];
      if (Object.keys(rest.links).length && !isMore) for (const block of this.blocks) block.raw = ANEW;
      this.links = isMore ? { ...this.links, ...rest.links } : rest.links;
    } else {
      this.tokens = blocksOf(text);
    }
    this.text = text;
  }

  /** @param {number} slice milliseconds */
  #draw(slice) {
    const began = performance.now();
    for (let index = 0; index < this.wanted.length; index += 1) {
      const isFinal = this.isEnded || index < this.wanted.length - 1;
      const block = this.blocks[index];
      const token = this.wanted[index];
      if (block?.raw === token.raw && (block.isFinal || !isFinal)) continue;
      this.#drawBlock(index, token, isFinal);
      if (performance.now() - began > slice && index + 1 < this.wanted.length) {
        this.timer = window.setTimeout(() => {
          this.#draw(SLICE_MS);
          this.onSlice();
        });
        return;
      }
    }
    for (const block of this.blocks.splice(this.wanted.length)) remove(block.nodes);
  }

  /** @param {number} index @param {Token} token @param {boolean} isFinal */
  #drawBlock(index, token, isFinal) {
    const old = this.blocks[index];
    const block = { raw: token.raw, token, nodes: old?.nodes ?? [], isFinal };
    const isAlike = old !== undefined && old.token.type === token.type;
    if (!(isAlike && old.raw !== ANEW && this.#grown(block, old))) {
      const fresh = token.type === "code" ? [this.#code(token, isFinal)] : [...rendered(token, this.links).childNodes];
      if (isAlike && token.type !== "code") {
        block.nodes = morph(this.target, old.nodes, fresh, this.#after(index + 1));
      } else {
        const after = this.#after(index);
        for (const node of fresh) this.target.insertBefore(node, after);
        if (old) remove(old.nodes);
        block.nodes = fresh;
      }
    }
    this.blocks[index] = block;
  }

  /** The node before which a block goes. @param {number} index @returns {Node | null} */
  #after(index) {
    for (const block of this.blocks.slice(index)) if (block.nodes.length) return block.nodes[0];
    return null;
  }

  /** Let a block grow in its place. @param {Block} block @param {Block} old @returns {boolean} false: it cannot */
  #grown(block, old) {
    const { token, isFinal } = block;
    const element = old.nodes[0];
    if (!(element instanceof HTMLElement)) return false;
    if (token.type === "code") return token.lang === old.token.lang && this.#grownCode(element, token, isFinal);
    if (token.type === "list") return this.#grownList(element, token, old.token);
    if (token.type === "table") return this.#grownTable(element, token, old.token);
    return false;
  }

  /** @param {Token} token @param {boolean} isFinal */
  #code(token, isFinal) {
    const pre = codeBlock(/\S+/.exec(token.lang ?? "")?.[0] ?? "", `${token.text}\n`);
    if (isFinal || token.text.length < COLOURED_LIVE) colour(pre);
    return pre;
  }

  /** @param {HTMLElement} pre @param {Token} token @param {boolean} isFinal */
  #grownCode(pre, token, isFinal) {
    const code = /** @type {HTMLElement} */ (pre.querySelector("code"));
    const shown = (code.textContent ?? "").replace(/\n$/, "");
    if (!token.text.startsWith(shown)) return false;
    const last = code.lastChild;
    const more = `${token.text.slice(shown.length)}\n`;
    if (last instanceof Text && last.data.endsWith("\n")) last.replaceData(last.length - 1, 1, more);
    else code.textContent = `${token.text}\n`;
    if ((isFinal || token.text.length < COLOURED_LIVE) && !isSelected(code)) colour(pre);
    return true;
  }

  /** @param {HTMLElement} list @param {Token} token @param {Token} old */
  #grownList(list, token, old) {
    if (token.ordered !== old.ordered || token.start !== old.start || token.loose !== old.loose) return false;
    if (token.items.length < old.items.length) return false;
    token.items.forEach((/** @type {Token} */ item, /** @type {number} */ index) => {
      if (old.items[index]?.raw === item.raw) return;
      const [fresh] = rendered({ ...token, items: [item] }, this.links).children;
      place(list, list.children[index], fresh.children[0]);
    });
    if (list instanceof HTMLOListElement) widen(list, token.items.length);
    return true;
  }

  /** @param {HTMLElement} frame @param {Token} token @param {Token} old */
  #grownTable(frame, token, old) {
    const body = frame.querySelector("tbody");
    if (!body || textOf(token.header) !== textOf(old.header) || token.rows.length < old.rows.length) return false;
    token.rows.forEach((/** @type {any[]} */ row, /** @type {number} */ index) => {
      if (old.rows[index] && textOf(old.rows[index]) === textOf(row)) return;
      const fresh = rendered({ ...token, rows: [row] }, this.links).querySelector("tbody > tr");
      if (fresh) place(body, body.children[index], fresh);
    });
    return true;
  }
}

/** @param {{ text: string }[]} cells */
function textOf(cells) {
  return cells.map((cell) => cell.text).join("\0");
}

/** @param {Element} parent @param {Element | undefined} old @param {Element} fresh */
function place(parent, old, fresh) {
  if (old) morph(parent, [old], [fresh], old.nextSibling);
  else parent.append(fresh);
}

/** @param {Node[]} nodes */
function remove(nodes) {
  for (const node of nodes) node.parentNode?.removeChild(node);
}

/** Somebody marks text in there: other nodes would lose it. @param {Node} node */
function isSelected(node) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(node, true);
}
