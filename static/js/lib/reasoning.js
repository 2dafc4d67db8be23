// @ts-check
/**
 * Reasoning and answer of a text with think tags. The twin of `jobs/inference.py`; both are held to
 * `tests/data/reasoning_vectors.json`.
 */

const OPEN = "<think>";
const CLOSE = "</think>";
const FENCE = /^\s{0,3}(```|~~~)/gm;
const LEADING_CLOSERS = /^(\s*<\/think>)+\s*/;

/** @typedef {{ reasoning: string, answer: string }} Parts */

/**
 * While the text has not ended, what could be half a tag is held back.
 * @param {string} text
 * @param {boolean} ended
 * @param {boolean} [expected] the model thinks first: its text is reasoning until the closing tag
 * @returns {Parts}
 */
export function split(text, ended, expected = false) {
  let body = text.trimStart();
  if (!ended && OPEN.startsWith(body)) return { reasoning: "", answer: "" };
  const opened = body.startsWith(OPEN);
  if (opened) body = body.slice(OPEN.length);
  const close = closing(body, opened && ended);
  if (close >= 0) {
    const answer = withoutLeadingClosers(body.slice(close + CLOSE.length), ended);
    return { reasoning: body.slice(0, close).trim(), answer };
  }
  if (!ended) body = holdBack(body);
  const thinks = opened || (expected && !ended);
  return thinks ? { reasoning: body.trim(), answer: "" } : { reasoning: "", answer: body };
}

/**
 * The text without the closing tags that some engines leave at the start of an answer.
 * @param {string} text
 * @param {boolean} ended
 */
export function withoutLeadingClosers(text, ended) {
  const rest = text.replace(LEADING_CLOSERS, "").trimStart();
  return ended ? rest : holdBack(rest);
}

/**
 * Where the closing tag begins, or -1.
 * @param {string} body
 * @param {boolean} fallBack one inside code will do when there is no other
 */
function closing(body, fallBack) {
  let last = -1;
  for (let at = body.indexOf(CLOSE); at >= 0; at = body.indexOf(CLOSE, at + CLOSE.length)) {
    if (!inCode(body.slice(0, at))) return at;
    last = at;
  }
  return fallBack ? last : -1;
}

/** @param {string} before */
function inCode(before) {
  if ((before.match(FENCE)?.length ?? 0) % 2 === 1) return true;
  const line = before.slice(before.lastIndexOf("\n") + 1);
  return (line.split("`").length - 1) % 2 === 1;
}

/** @param {string} text */
function holdBack(text) {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length -= 1) {
    if (CLOSE.startsWith(text.slice(-length))) return text.slice(0, -length);
  }
  return text;
}

/**
 * Adds up the deltas of one stream.
 */
/**
 * What an event says went wrong: in the ways of OpenAI's API, and in llmdeploy's.
 * @param {any} payload
 */
function wrongIn(payload) {
  if (payload?.error || payload?.errorMsg) return payload.error || payload.errorMsg;
  if (payload?.object === "error") return payload;
  return [undefined, null, 0, 200].includes(payload?.code) ? "" : payload.msg;
}

export class Gatherer {
  constructor() {
    this.byField = "";
    this.content = "";
    this.error = "";
    this.finishReason = "";
    this.deltas = 0;
    /** Pieces that came before the answer: about as many tokens. */
    this.thoughts = 0;
    this.hasClosed = false;
    /** @type {Record<string, any> | null} */
    this.usage = null;
  }

  /** @param {any} payload one event of the stream, parsed */
  add(payload) {
    const wrong = wrongIn(payload);
    if (wrong) this.error = typeof wrong === "string" ? wrong : (wrong.message ?? JSON.stringify(wrong));
    if (payload?.usage) this.usage = payload.usage;
    for (const choice of payload?.choices ?? []) {
      const delta = choice.delta ?? {};
      const thought = delta.reasoning_content || delta.reasoning || "";
      if (thought) this.byField += thought;
      if (delta.content) this.content += delta.content;
      if (thought || delta.content) this.deltas += 1;
      if (thought || (delta.content && !this.byField && !this.hasClosed)) this.thoughts += 1;
      this.hasClosed ||= this.content.includes(CLOSE);
      if (choice.finish_reason) this.finishReason = choice.finish_reason;
    }
  }

  /**
   * @param {boolean} ended
   * @param {boolean} [expected]
   * @returns {Parts}
   */
  parts(ended, expected = false) {
    if (!this.byField) return split(this.content, ended, expected);
    return {
      reasoning: this.byField.trim(),
      answer: withoutLeadingClosers(this.content, ended),
    };
  }
}
