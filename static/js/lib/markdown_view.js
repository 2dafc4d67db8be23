// @ts-check
/**
 * A text of Markdown that may grow: each time only what changed is drawn. What stands there already stays
 * the same element, with its selection, its scroll and its buttons. A long text is drawn in slices.
 */

import { drawDiagram } from "./diagrams.js";
import { bindNotes } from "./footnotes.js";
import { blocksOf, codeBlock, colour, rendered, widen } from "./markdown.js";
import { morph } from "./morph.js";

const FIRST_SLICE_MS = 30;
const SLICE_MS = 12;
// A block may still change while one behind it begins: a paragraph becomes a heading, a list goes on.
const UNSETTLED = 4;
// While it grows, code of this length is coloured each time; a longer block when it is whole.
const COLOURED_LIVE = 3000;
const ANEW = "\0"; // in place of a block's text: what its references lead to is known only now

const PART = "\x01"; // in place of the text of a list or table that is not whole in the page yet
const FIRST_MEMBERS = 20;
/** @type {Record<string, string>} */
const MEMBERS = { list: "items", table: "rows" };

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
    bindNotes(target);
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
      const isWhole = this.#drawBlock(index, token, isFinal, began + slice);
      if (!isWhole || (performance.now() - began > slice && index + 1 < this.wanted.length)) {
        this.timer = window.setTimeout(() => {
          this.#draw(SLICE_MS);
          this.onSlice();
        });
        return;
      }
    }
    for (const block of this.blocks.splice(this.wanted.length)) remove(block.nodes);
  }

  /**
   * @param {number} index
   * @param {Token} token
   * @param {boolean} isFinal
   * @param {number} deadline
   * @returns {boolean} false: there was no time for all of it
   */
  #drawBlock(index, token, isFinal, deadline) {
    const old = this.blocks[index];
    const block = { raw: token.raw, token, nodes: old?.nodes ?? [], isFinal };
    const isAlike = old !== undefined && old.token.type === token.type;
    if (!(isAlike && old.raw !== ANEW && this.#grown(block, old, deadline))) {
      if (!old && token[MEMBERS[token.type]]?.length > FIRST_MEMBERS) leave(block, FIRST_MEMBERS, []);
      const fresh =
        token.type === "code" ? [this.#code(token, isFinal)] : [...rendered(block.token, this.links).childNodes];
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
    return block.raw !== PART;
  }

  /** The node before which a block goes. @param {number} index @returns {Node | null} */
  #after(index) {
    for (const block of this.blocks.slice(index)) if (block.nodes.length) return block.nodes[0];
    return null;
  }

  /**
   * Let a block grow in its place.
   * @param {Block} block
   * @param {Block} old
   * @param {number} deadline
   * @returns {boolean} false: it cannot
   */
  #grown(block, old, deadline) {
    const { token, isFinal } = block;
    const element = old.nodes[0];
    if (!(element instanceof HTMLElement)) return false;
    if (token.type === "code") return token.lang === old.token.lang && this.#grownCode(element, token, isFinal);
    if (token.type === "list") return this.#grownList(element, block, old.token, deadline);
    if (token.type === "table") return this.#grownTable(element, block, old.token, deadline);
    return false;
  }

  /** @param {Token} token @param {boolean} isFinal */
  #code(token, isFinal) {
    const pre = codeBlock(/\S+/.exec(token.lang ?? "")?.[0] ?? "", `${token.text}\n`);
    if (isFinal || token.text.length < COLOURED_LIVE) colour(pre);
    if (isFinal) this.#diagram(pre, token);
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
    if (isFinal) this.#diagram(pre, token);
    return true;
  }

  /** @param {HTMLElement} pre @param {Token} token a block that grows no more */
  #diagram(pre, token) {
    if (token.lang === "mermaid") drawDiagram(pre).then(() => this.onSlice());
  }

  /** @param {HTMLElement} list @param {Block} block @param {Token} old @param {number} deadline */
  #grownList(list, block, old, deadline) {
    const { token } = block;
    if (token.ordered !== old.ordered || token.start !== old.start || token.loose !== old.loose) return false;
    const isAlike = (/** @type {Token} */ now, /** @type {Token} */ before) => now.raw === before.raw;
    const draw = (/** @type {Token} */ item, /** @type {number} */ index) => {
      const [fresh] = rendered({ ...token, items: [item] }, this.links).children;
      place(list, list.children[index], fresh.children[0]);
    };
    if (!grow(block, old.items, isAlike, draw, deadline)) return false;
    if (list instanceof HTMLOListElement) widen(list, token.items.length);
    return true;
  }

  /** @param {HTMLElement} frame @param {Block} block @param {Token} old @param {number} deadline */
  #grownTable(frame, block, old, deadline) {
    const { token } = block;
    const body = frame.querySelector("tbody");
    if (!body || textOf(token.header) !== textOf(old.header)) return false;
    const isAlike = (/** @type {any[]} */ now, /** @type {any[]} */ before) => textOf(now) === textOf(before);
    const draw = (/** @type {any[]} */ row, /** @type {number} */ index) => {
      const fresh = rendered({ ...token, rows: [row] }, this.links).querySelector("tbody > tr");
      if (fresh) place(body, body.children[index], fresh);
    };
    return grow(block, old.rows, isAlike, draw, deadline);
  }
}

/**
 * Draw the members of a list or table that are not like those before, at least one, until the deadline.
 * @param {Block} block
 * @param {any[]} old
 * @param {(now: any, before: any) => boolean} isAlike
 * @param {(member: any, index: number) => void} draw
 * @param {number} deadline
 * @returns {boolean} false: it has become shorter
 */
function grow(block, old, isAlike, draw, deadline) {
  const members = block.token[MEMBERS[block.token.type]];
  if (members.length < old.length) return false;
  let isLate = false;
  for (let index = 0; index < members.length; index += 1) {
    if (old[index] && isAlike(members[index], old[index])) continue;
    if (isLate) {
      leave(block, index, old.slice(index));
      break;
    }
    draw(members[index], index);
    isLate = performance.now() > deadline;
  }
  return true;
}

/** Draw the rest another time. @param {Block} block @param {number} count members that are drawn @param {any[]} old what stands behind them */
function leave(block, count, old) {
  const name = MEMBERS[block.token.type];
  block.token = { ...block.token, [name]: [...block.token[name].slice(0, count), ...old] };
  block.raw = PART;
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
