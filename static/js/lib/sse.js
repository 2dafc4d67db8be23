// @ts-check
/**
 * The events of a stream from raw bytes, cut anywhere: inside a line, inside a character. Lines are
 * server-sent events, or (llmdeploy's) bare JSON. The twin of `jobs/completions.py`.
 */

const CR = 13;
const LF = 10;
const MOST_LINES = 1000; // of data in one event
const FIELDS = ["data", "error", "event", "id", "retry", ""];

export class EventDecoder {
  constructor() {
    this.decoder = new TextDecoder();
    /** @type {Uint8Array} bytes of a line that has no end yet */
    this.rest = new Uint8Array(0);
    /** Bytes of the stream before `rest`. */
    this.offset = 0;
    this.done = false;
    /** Of each payload that the last call gave: bytes of the stream before its line. @type {number[]} */
    this.ats = [];
    /** @type {any[]} */
    this.payloads = [];
    this.name = "";
    /** @type {string[]} lines of data that are no JSON by themselves */
    this.kept = [];
    this.keptAt = 0;
    /** What came of an object that lies on many lines. */
    this.object = "";
    this.isObject = false;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {any[]} the payloads that are whole now, parsed
   */
  push(bytes) {
    this.payloads = [];
    this.ats = [];
    const data = joined(this.rest, bytes);
    let begin = 0;
    for (let at = Math.max(0, this.rest.length - 1); at < data.length; at += 1) {
      if (data[at] !== LF && data[at] !== CR) continue;
      if (data[at] === CR && at + 1 === data.length) break; // its other half may come
      if (data[at] === CR && data[at + 1] === LF) at += 1;
      this.#line(data.subarray(begin, at + 1), this.offset + begin, true);
      begin = at + 1;
    }
    this.offset += begin;
    this.rest = data.slice(begin);
    this.#unended();
    return this.payloads;
  }

  /** The stream has ended: what came without a line's end. @returns {any[]} */
  end() {
    this.payloads = [];
    this.ats = [];
    if (this.rest.length) this.#line(this.rest, this.offset, false);
    this.rest = new Uint8Array(0);
    this.#give(this.#joinedLines(), this.keptAt);
    return this.payloads;
  }

  /** The last line of bare JSON may end without a line's end; no part of an object is one itself. */
  #unended() {
    const last = this.rest.at(-1);
    if (this.isObject || (last !== 125 && last !== CR)) return; // }
    const text = this.decoder.decode(this.rest).trim();
    if (!text.startsWith("{")) return;
    const payload = parsed(text);
    if (payload === undefined) return;
    this.#give(payload, this.offset);
    this.offset += this.rest.length;
    this.rest = new Uint8Array(0);
  }

  /** @param {Uint8Array} bytes @param {number} at @param {boolean} isWhole */
  #line(bytes, at, isWhole) {
    if (this.done) return;
    const line = this.decoder.decode(bytes).trim();
    if (!line) {
      this.#give(this.#joinedLines(), this.keptAt);
      this.name = "";
      return;
    }
    if (this.isObject) {
      const text = this.decoder.decode(bytes);
      this.isObject = !text.startsWith("{") && !text.startsWith("data:");
      if (this.isObject) return this.#partOfObject(text, line);
    }
    if (line.startsWith("{")) {
      for (const { begin, payload } of objects(line)) this.#give(payload, at + begin);
      this.isObject = at === 0 && !this.payloads.length;
      this.object = line;
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).trim();
    if (!FIELDS.includes(field) || (!isWhole && colon < 0)) return; // a server that breaks prints its trace
    if (field === "event") this.name = value;
    if (field !== "data" && field !== "error") return;
    if (field === "data" && value === "[DONE]") {
      this.done = true;
      return;
    }
    const payload = parsed(value);
    if (payload !== undefined && payload !== null) {
      this.kept = [];
      this.#give(field === "error" || this.name === "error" ? undefined : payload, at);
    } else if (value && this.kept.length < MOST_LINES) {
      if (!this.kept.length) this.keptAt = at;
      this.kept.push(value);
    }
  }

  /** @param {string} text @param {string} line the same, trimmed */
  #partOfObject(text, line) {
    this.object += text;
    if (line.endsWith("}")) this.#give(parsed(this.object), 0);
  }

  /** The event whose data lay on several lines. @returns {any} */
  #joinedLines() {
    const text = this.kept.join("\n");
    const isWanted = this.kept.length > 1 && this.name !== "error";
    this.kept = [];
    return isWanted ? parsed(text) : undefined;
  }

  /** @param {any} payload @param {number} at */
  #give(payload, at) {
    if (payload === undefined || payload === null) return;
    this.isObject = false;
    this.payloads.push(payload);
    this.ats.push(at);
  }
}

/** @param {Uint8Array} first @param {Uint8Array} second */
function joined(first, second) {
  if (!first.length) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The JSON objects of a line, which may stand side by side. @param {string} text */
function* objects(text) {
  const whole = parsed(text);
  if (whole !== undefined) {
    yield { begin: 0, payload: whole };
    return;
  }
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]|"/gs)) {
    if (token === '"') return; // a string that was cut
    if (token === "{" && (depth += 1) === 1) start = index;
    if (token === "}" && depth && (depth -= 1) === 0) {
      const payload = parsed(text.slice(start, index + 1));
      if (payload !== undefined) yield { begin: new TextEncoder().encode(text.slice(0, start)).length, payload };
    }
  }
}

/** @param {string} text @returns {any} undefined for what is no JSON: it says nothing to us */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
