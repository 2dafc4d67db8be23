// @ts-check
/**
 * Reasoning and answer of a text with think tags. The twin of `jobs/reasoning.py`; both are held to
 * `tests/data/reasoning_vectors.json`. And what the events of a stream add up to: the twin of
 * `jobs/completions.py`, held to `tests/data/stream_vectors.json`.
 */

const TAGS = ["<think>", "<thinking>", "</think>", "</thinking>"];
const LONGEST_TAG = Math.max(...TAGS.map((tag) => tag.length));
const MOST_TAGS = 200;
const FENCE = /^ {0,3}(?:```|~~~)/gm;
const BLANK_LINES = /^(?:[ \t]*\r?\n)+/;
const SENTENCE_ENDS = ".!?:;…。！？：；)>*";
const AFTER_A_WORD = " \t.,;:!?)\"'，。、；：！？”’）";

/**
 * `answerAt`: the index in the text at which the (last part of the) answer begins; -1 without one.
 * @typedef {{ reasoning: string, answer: string, answerAt: number }} Parts
 */

/**
 * @param {string} text
 * @param {boolean} ended
 * @param {boolean} [expected] a text without any tag is a thought
 * @param {boolean} [implicit] the opening tag may be missing
 * @returns {{ reasoning: string, answer: string }}
 */
export function split(text, ended, expected = false, implicit = true) {
  const { reasoning, answer } = partsOf(text, ended, expected, implicit);
  return { reasoning, answer };
}

/**
 * While the text has not ended, what could be half a tag is held back.
 * @param {string} text
 * @param {boolean} ended
 * @param {boolean} [expected]
 * @param {boolean} [implicit]
 * @returns {Parts}
 */
export function partsOf(text, ended, expected = false, implicit = true) {
  const walk = new Walk(text, ended, expected, implicit);
  let rest = text.slice(walk.at, walk.until);
  if (!ended) rest = holdBack(rest);
  if (walk.inside || (expected && !walk.hasTags)) walk.thoughts.push(rest);
  else walk.answers.push({ at: walk.at, piece: rest });
  const answers = walk.answers.map(({ at, piece }) => ({ at, text: trimmed(piece) })).filter((each) => each.text);
  const last = answers.at(-1);
  return {
    reasoning: walk.thoughts.map((piece) => piece.trim()).filter(Boolean).join("\n\n"),
    answer: answers.map((each) => (each === last ? each.text : each.text.trimEnd())).join("\n\n"),
    answerAt: last ? text.indexOf(last.text.trimStart(), last.at) : -1,
  };
}

/** From tag to tag. `at`: where the piece begins that no tag has ended. */
class Walk {
  /**
   * @param {string} text
   * @param {boolean} ended
   * @param {boolean} expected
   * @param {boolean} implicit
   */
  constructor(text, ended, expected, implicit) {
    /** @type {string[]} */
    this.thoughts = [];
    /** @type {{ at: number, piece: string }[]} */
    this.answers = [];
    this.at = 0;
    this.until = text.length;
    this.inside = false;
    this.hasTags = false;
    this.text = text;
    this.ended = ended;
    this.expected = expected;
    this.early = ended || expected;
    this.implicit = implicit;
    this.isSpokenOf = false;
    let count = 0;
    for (const tag of text.matchAll(/<(\/?)think(?:ing)?>/g)) {
      if ((count += 1) > MOST_TAGS) break;
      const end = tag.index + tag[0].length;
      if (tag[1]) this.#close(tag.index, end);
      else if (!this.inside && !this.#open(tag.index, end)) break;
    }
  }

  /** @param {number} start @param {number} end @returns {boolean} false: what it is shows only later */
  #open(start, end) {
    const before = this.text.slice(this.at, start);
    if (isInFence(before) || this.#isInBackticks(start, end)) return true;
    if (this.#isInASentence(before, end)) {
      if (end === this.text.length && !this.ended) {
        this.until = start;
        return false;
      }
      this.isSpokenOf = true;
      return true;
    }
    this.answers.push({ at: this.at, piece: before });
    this.inside = this.hasTags = true;
    this.at = end;
    return true;
  }

  /** @param {number} start @param {number} end */
  #close(start, end) {
    const before = this.text.slice(this.at, start);
    const isFirst = this.implicit && !this.hasTags;
    if (this.inside || isFirst) {
      const standsAlone = !before.slice(before.lastIndexOf("\n") + 1).trim();
      if (this.#isInBackticks(start, end)) return;
      if (isInFence(before) && !this.#leavesFence(end, before, standsAlone)) return;
      if (!this.inside) {
        this.isSpokenOf ||= this.#sentenceGoesOn(before, end);
        if (this.isSpokenOf && !standsAlone) return;
      }
      this.thoughts.push(before);
    } else if (before.trim()) {
      return; // a word of the answer
    }
    // Else one of those that some engines leave at the start of an answer.
    this.inside = false;
    this.hasTags = true;
    this.at = end;
  }

  /** Behind a word, before a space, a sign, or the text's end. @param {string} before @param {number} end */
  #isInASentence(before, end) {
    const line = before.slice(before.lastIndexOf("\n") + 1).replace(/[ \t]+$/, "");
    if (!line || SENTENCE_ENDS.includes(line.slice(-1))) return false;
    return AFTER_A_WORD.includes(this.text.slice(end, end + 1));
  }

  /** A closing tag between two words, of which the second is no new begin. @param {string} before @param {number} end */
  #sentenceGoesOn(before, end) {
    if (this.expected || !/[ \t]$/.test(before) || !this.#isInASentence(before, end)) return false;
    const after = this.text.slice(end, end + 2).replace(/^[ \t]+/, "").slice(0, 1);
    return (after >= "a" && after <= "z") || AFTER_A_WORD.includes(after);
  }

  /** Inside `code`: an odd backtick before it on its line, and one behind it. @param {number} start @param {number} end */
  #isInBackticks(start, end) {
    const begin = Math.max(this.at, start ? this.text.lastIndexOf("\n", start - 1) + 1 : 0);
    if ((this.text.slice(begin, start).split("`").length - 1) % 2 === 0) return false;
    const lineEnd = this.text.indexOf("\n", end);
    if (lineEnd < 0 && !this.ended) return true; // the line goes on
    return this.text.slice(end, lineEnd < 0 ? undefined : lineEnd).includes("`");
  }

  /** The thought ends although a block of code in it stays open. @param {number} end @param {string} before @param {boolean} alone */
  #leavesFence(end, before, alone) {
    const fence = [...before.matchAll(FENCE)].at(-1);
    if (fence && hasTag(before.slice(fence.index + fence[0].length))) return false; // a sample with both tags
    if (fencesBehind(this.text, end) % 2) return false; // the block is closed further on
    if (alone) return this.inside || this.early;
    return this.inside && this.ended && !hasTag(this.text.slice(end));
  }
}

/** @param {string} text */
function hasTag(text) {
  return /<\/?think(?:ing)?>/.test(text);
}

/** @param {string} before */
function isInFence(before) {
  return (before.match(FENCE)?.length ?? 0) % 2 === 1;
}

/** Fences at the beginnings of lines from `at` on. @param {string} text @param {number} at */
function fencesBehind(text, at) {
  const line = text.indexOf("\n", at);
  return line < 0 ? 0 : (text.slice(line).match(FENCE)?.length ?? 0);
}

/** An answer without what stands empty before it; four spaces are code and stay. @param {string} piece */
function trimmed(piece) {
  const rest = piece.replace(BLANK_LINES, "");
  if (!rest.trim()) return "";
  return rest.startsWith("    ") || rest.startsWith("\t") ? rest : rest.trimStart();
}

/** @param {string} text */
function holdBack(text) {
  for (let length = Math.min(LONGEST_TAG - 1, text.length); length > 0; length -= 1) {
    const end = text.slice(-length);
    if (TAGS.some((tag) => tag.startsWith(end) && tag !== end)) return text.slice(0, -length);
  }
  return text;
}

/** @param {any} value a text, or a list of parts of which each is one or has one @returns {string} */
function textOf(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((part) => (Array.isArray(part) ? "" : textOf(part))).join("");
  return typeof value?.text === "string" ? value.text : "";
}

/** @param {any} message */
const thoughtOf = (message) => textOf(message?.reasoning_content) || textOf(message?.reasoning);

/** What a message or a piece of one says; a refusal is an answer. @param {any} message */
const contentOf = (message) => textOf(message?.content) || textOf(message?.refusal);

/** @param {any} one a piece of a tool call @returns {boolean} */
const isPiece = (one) => typeof one?.function === "object" && !Array.isArray(one.function) && Object.keys(one.function ?? {}).length > 0;

/** @param {any} message @returns {boolean} */
const hasCalls = (message) => Array.isArray(message?.tool_calls) && message.tool_calls.some(isPiece);

/** Adds up the events of one stream. What an engine sends is anything: none raises. */
export class Gatherer {
  constructor() {
    this.byField = "";
    this.content = "";
    this.finishReason = "";
    /** Bytes of the stream before the first piece of a tool call; -1: none came. */
    this.callsAt = -1;
    /** Pieces that came, of a token or several. */
    this.deltas = 0;
    /** Tokens so far by the engine's own count; 0: it gave none. */
    this.tokens = 0;
    /** Bytes of the stream before the first and the last piece; -1: none came. */
    this.firstAt = -1;
    this.lastAt = -1;
    /** Of each piece of the content: where it ends in it, bytes of the stream before it, pieces before it. */
    this.ends = /** @type {number[]} */ ([]);
    this.ats = /** @type {number[]} */ ([]);
    this.befores = /** @type {number[]} */ ([]);
  }

  /**
   * @param {any} payload one event of the stream, parsed
   * @param {number} [at] bytes of the stream before it
   */
  add(payload, at = 0) {
    const tokens = payload?.usage?.completion_tokens;
    if (Number.isInteger(tokens) && tokens > 0) this.tokens = tokens;
    const choices = Array.isArray(payload?.choices) ? payload.choices : [];
    for (const choice of choices) {
      if (!choice || typeof choice !== "object" || (choice.index ?? 0) !== 0) continue;
      let thought = thoughtOf(choice.delta);
      let content = contentOf(choice.delta);
      let isCall = hasCalls(choice.delta);
      if (!thought && !content && !isCall) {
        thought = this.byField ? "" : thoughtOf(choice.message);
        const message = contentOf(choice.message);
        // Engines that send messages may send all so far each time.
        content = (message.startsWith(this.content) ? message.slice(this.content.length) : message) || textOf(choice.text);
        isCall = hasCalls(choice.message);
      }
      if (thought) {
        this.byField += thought;
        this.#count(at);
      }
      if (content) {
        this.content += content;
        this.ends.push(this.content.length);
        this.ats.push(at);
        this.befores.push(this.deltas);
        this.#count(at);
      }
      if (isCall && !thought && !content) this.#count(at);
      if (isCall && this.callsAt < 0) this.callsAt = at;
      if (typeof choice.finish_reason === "string" && choice.finish_reason) this.finishReason = choice.finish_reason;
    }
  }

  /** @param {number} at */
  #count(at) {
    if (!this.deltas) this.firstAt = at;
    this.lastAt = at;
    this.deltas += 1;
  }

  /**
   * @param {boolean} ended
   * @param {boolean} [expected] the model thinks before it answers
   * @returns {Parts}
   */
  parts(ended, expected = false) {
    const isThought = expected && (!ended || !["stop", "tool_calls"].includes(this.finishReason));
    if (!this.byField) return partsOf(this.content, ended, isThought);
    const tagged = partsOf(this.content, ended, false, false);
    return { ...tagged, reasoning: [this.byField.trim(), tagged.reasoning].filter(Boolean).join("\n\n") };
  }

  /**
   * Where the answer begins.
   * @param {Parts} parts
   * @returns {{ at: number, before: number }} bytes of the stream and pieces before it; `at` -1: there is none yet
   */
  beginOfAnswer(parts) {
    if (parts.answerAt < 0) return { at: -1, before: this.deltas };
    let low = 0;
    let high = this.ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] > parts.answerAt) high = middle;
      else low = middle + 1;
    }
    return { at: this.ats[low], before: this.befores[low] };
  }
}
