import assert from "node:assert/strict";
import { test } from "node:test";

import { spans, strip } from "../../static/js/lib/ansi.js";
import { BLOCK, LogBytes } from "../../static/js/lib/log_bytes.js";
import { cut, pattern, ranges } from "../../static/js/lib/log_marks.js";
import { LogMatcher } from "../../static/js/lib/log_matcher.js";
import { penBefore } from "../../static/js/lib/log_pen.js";
import { readFrame } from "../../static/js/lib/log_frame.js";
import { hashOf, placeIn } from "../../static/js/lib/log_place.js";
import { LogRows } from "../../static/js/lib/log_rows.js";
import { LogSearch } from "../../static/js/lib/log_search.js";
import { LogSpeech } from "../../static/js/lib/log_speech.js";
import { LogWarnings } from "../../static/js/lib/log_warnings.js";
import { marksOf } from "../../static/js/lib/log_strip.js";
import { retryWait } from "../../static/js/lib/live_socket.js";

const encoder = new TextEncoder();

test("colours become classes, and everything else of a terminal is left out", () => {
  assert.deepEqual(spans("\x1b[1;32mINFO\x1b[0m \x1b[90m[x.py]\x1b[39m \x1b]0;title\x07ok\x1b[K"), [
    { text: "INFO", classes: "ag aB" },
    { text: " ", classes: "" },
    { text: "[x.py]", classes: "ad" },
    { text: " ok", classes: "" },
  ]);
  assert.deepEqual(spans("\x1b[38;5;196mred\x1b[38;2;20;60;250mblue\x1b[48;5;1;39mink\x1b[31mrest"), [
    { text: "red", classes: "xf", fg: "rgb(255 0 0)" },
    { text: "blue", classes: "xf", fg: "rgb(20 60 250)" },
    { text: "ink", classes: "xb", bg: "#b3261e" },
    { text: "rest", classes: "xf xb", fg: "#b3261e", bg: "#b3261e" },
  ]);
  assert.deepEqual(spans("\x1b[4;7mx\x1b[24my\x1b[38;5;999mz\x1b[38;2m!").map((span) => span.classes), ["aU aV", "aV", "xf aV"]);
  assert.equal(strip("\x1b[31ma\x1b[0m\x00b\x1b[2Ac"), "abc");
});

test("matches cut the pieces of a line, across colours", () => {
  const pieces = spans("a \x1b[31mre\x1b[0md b red");
  const found = ranges("a red b red", pattern("red", false));
  assert.deepEqual(found, [[2, 5], [8, 11]]);
  assert.deepEqual(cut(pieces, found), [
    { text: "a ", classes: "", mark: -1 },
    { text: "re", classes: "ar", mark: 0 },
    { text: "d", classes: "", mark: 0 },
    { text: " b ", classes: "", mark: -1 },
    { text: "red", classes: "", mark: 1 },
  ]);
  assert.equal(pattern("(", true), null);
  assert.deepEqual(ranges("Red red", pattern("Red", false)), [[0, 3]]);
  assert.deepEqual(ranges("RED x", pattern("red \\S", true)), [[0, 5]]);
  assert.deepEqual(ranges("中 ab", pattern("[\\u4e00-\\u9fff] \\U00000061B?", true)), [[0, 3]]);
  assert.deepEqual(ranges("a.b \\u0041", pattern("\\u002e|\\\\u0041", true)), [[1, 2], [4, 10]]);
  assert.deepEqual(ranges("red RED", pattern("(?i)RED", true)), [
    [0, 3],
    [4, 7],
  ]);
});

/** A log, and bytes that fetch from it. */
function logOf(text) {
  const whole = encoder.encode(text);
  const fetched = [];
  const bytes = new LogBytes(
    async (from, to) => {
      fetched.push([from, to]);
      return { bytes: whole.slice(from, to), times: [[from, 1000 + from]] };
    },
    () => {},
  );
  const counts = [];
  let newlines = 0;
  whole.forEach((byte, i) => {
    if (byte === 10) newlines += 1;
    if ((i + 1) % BLOCK === 0) counts.push(newlines);
  });
  const index = { size: whole.length, newlines, counts, ends_line: text.endsWith("\n") };
  return { whole, bytes, index, fetched };
}

async function lineOf(bytes, n) {
  for (let tries = 0; tries < 5; tries += 1) {
    const line = bytes.line(n);
    if (line) return line;
    await Promise.all(bytes.coming.values());
  }
  return null;
}

test("any line of a long log is read without the others", async () => {
  const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i + 1} 完成 ${"x".repeat(i % 70)}`);
  const { bytes, index, fetched } = logOf(lines.join("\n"));
  bytes.setIndex(index);
  assert.equal(bytes.lineCount, 30_000);
  for (const n of [1, 2, 14_999, 15_000, 29_999, 30_000]) assert.equal((await lineOf(bytes, n)).text, lines[n - 1]);
  assert.ok(fetched.length <= 6);
  for (let n = 1; n <= 30_000; n += 1) assert.equal((await lineOf(bytes, n)).text, lines[n - 1]);
});

test("what comes in pieces is the same as what is fetched", async () => {
  const { whole, bytes, index } = logOf("ab\n".repeat(60_000) + "end");
  let at = 0;
  for (const size of [1, 5, 70_000, 0, 65_531, 44_467]) {
    assert.equal(bytes.append(at, whole.slice(at, at + size), []), true);
    at += size;
  }
  assert.equal(bytes.append(at + 1, whole.slice(at + 1), []), false);
  assert.equal(bytes.append(0, whole, []), true);
  assert.deepEqual(bytes.counts, index.counts);
  assert.deepEqual([bytes.size, bytes.newlines, bytes.lineCount], [index.size, 60_000, 60_001]);
  assert.equal((await lineOf(bytes, 60_001)).text, "end");
  assert.equal((await lineOf(bytes, 30_000)).text, "ab");
});

test("each line that comes is dated by when it arrived, whatever else came with it", async () => {
  const { whole, bytes } = logOf("one\ntwo\nthree\n");
  bytes.append(0, whole.slice(0, 5), [[0, 1000]]);
  bytes.append(3, whole.slice(3), [[0, 1000], [4, 2000], [8, 3000], [999, 4000]]);
  assert.deepEqual([0, 4, 7, 8, 13].map((at) => bytes.timeAt(at)), [1000, 1000, 2000, 3000, 3000]);
});

test("a frame tells offset, times and bytes", () => {
  const made = new Uint8Array([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 232, 97, 98]);
  assert.deepEqual(readFrame(made.buffer), { offset: 258, times: [[256, 1000]], bytes: encoder.encode("ab") });
  assert.deepEqual(readFrame(new ArrayBuffer(12)), { offset: 0, times: [], bytes: new Uint8Array(0) });
});

test("an index that tells only what is new is the whole one", () => {
  const { bytes, index } = logOf("ab\n".repeat(120_000));
  bytes.setIndex({ ...index, size: 2 * BLOCK, newlines: index.counts[1], counts: index.counts.slice(0, 2), ends_line: false });
  bytes.setIndex({ ...index, known: 2, counts: index.counts.slice(2) });
  assert.deepEqual(bytes.counts, index.counts);
  bytes.setIndex({ ...index, size: index.size + 1 }); // of a server that tells it whole
  assert.deepEqual(bytes.counts, index.counts);
});

test("of a line longer than what is read at once the begin and the end are shown", async () => {
  const { bytes, index } = logOf(`a\n${"x".repeat(10)}${"\r50%".repeat(100_000)}\r100%\nlast\n`);
  bytes.setIndex(index);
  const line = await lineOf(bytes, 2);
  assert.ok(line.text.startsWith("x") && line.text.endsWith("\r100%"));
  assert.ok(line.hidden > 200_000);
  assert.equal((await lineOf(bytes, 3)).text, "last");
});

test("lines stand under their steps, and what is done is folded", () => {
  const step = (name, state, line_from, line_to) => ({ name, state, line_from, line_to, look: ["ok", "ok"] });
  const rows = new LogRows();
  rows.setLineCount(100);
  rows.setSteps([step("a", "succeeded", 1, 40), step("b", "succeeded", 41, 40), step("c", "running", 41, null), step("d", "queued", null, null)]);
  assert.equal(rows.count, 3 + 60);
  assert.deepEqual([rows.at(0), rows.at(1), rows.at(2), rows.at(3), rows.at(62)], [{ group: 0 }, { group: 1 }, { group: 2 }, { line: 41 }, { line: 100 }]);
  assert.equal(rows.indexOfLine(20), 0);
  assert.equal(rows.indexOfLine(50), 12);
  rows.setOpen(0, true);
  assert.equal(rows.count, 103);
  assert.equal(rows.indexOfLine(20), 20);
  assert.deepEqual([rows.groupOf(40), rows.groupOf(41)], [0, 2]);
  rows.setOnly([5, 50, 90]);
  assert.deepEqual([rows.count, rows.at(1), rows.indexOfLine(51)], [3, { line: 50 }, 2]);
});

test("a step that someone reads is not folded under them when it is done", () => {
  const step = (state, line_from, line_to) => ({ name: state, state, line_from, line_to, look: ["ok", "ok"] });
  const rows = new LogRows();
  rows.setLineCount(50);
  rows.setSteps([step("running", 1, null), step("queued", null, null)]);
  rows.keepOpen();
  rows.setSteps([step("succeeded", 1, 40), step("running", 41, null)]);
  assert.deepEqual([rows.isOpen(0), rows.isOpen(1), rows.indexOfLine(20)], [true, true, 20]);
});

/** A search over a log in which every tenth line matches, and every hundredth twice. */
function searchOf(lines, limit) {
  const all = [];
  for (let line = 10; line <= lines; line += 10) all.push([line, 0, line % 100 ? 1 : 2]);
  const sum = (found) => found.reduce((count, match) => count + match[2], 0);
  return new LogSearch(async (query) => {
    const near = Number(new URLSearchParams(query).get("near"));
    const at = near ? all.findIndex(([line]) => line >= near) : 0;
    const middle = at < 0 ? all.length : at;
    const from = near ? Math.max(0, middle - limit / 2) : 0;
    const found = all.slice(from, near ? middle + limit / 2 : limit);
    return { total: sum(all), lines: all.length, before: sum(all.slice(0, from)), found, spread: [] };
  });
}

test("a search walks through matches from where the reader is, and round", async () => {
  const search = searchOf(100, 100);
  await search.run("x", false);
  await search.walk(1, 15);
  assert.deepEqual(search.current, { line: 20, nth: 0 });
  await search.walk(-1, 0);
  await search.walk(-1, 0);
  assert.deepEqual([search.current, search.at], [{ line: 100, nth: 1 }, 10]);
  await search.walk(1, 0);
  assert.deepEqual(search.current, { line: 10, nth: 0 });
});

test("a step knows how many matches it has as soon as all were told", async () => {
  const search = searchOf(200, 100);
  assert.equal(search.countIn(1, 200), null);
  await search.run("x", false);
  assert.deepEqual([[1, 9], [10, 10], [1, 100], [95, 205], [201, 300]].map(([from, to]) => search.countIn(from, to)), [0, 1, 11, 13, 0]);
  const part = searchOf(200, 4);
  await part.run("x", false);
  assert.equal(part.countIn(1, 200), null);
});

test("a search walks to matches that were not told, forwards, back and round", async () => {
  for (const step of [1, -1]) {
    const search = searchOf(1000, 8);
    await search.run("x", false);
    await search.walk(step, 503);
    assert.deepEqual(search.current, { line: step > 0 ? 510 : 500, nth: step > 0 ? 0 : 1 });
    const seen = [search.at];
    for (let walked = 1; walked < 2 * 110; walked += 1) {
      await search.walk(step, 0);
      assert.ok(search.current);
      seen.push(search.at);
    }
    assert.deepEqual(seen.map((at) => (at - seen[0] + 220) % 110), seen.map((_, i) => (step * i + 220) % 110));
  }
  const first = searchOf(1000, 8);
  await first.run("x", false);
  await first.walk(1, 2000); // behind the last match
  assert.deepEqual(first.current, { line: 10, nth: 0 });
});

test("a newer search ends the one before", async () => {
  const signals = [];
  const search = new LogSearch(async (query, signal) => {
    signals.push(signal);
    await new Promise((resolve) => setTimeout(resolve));
    signal.throwIfAborted();
    return { total: 1, lines: 1, before: 0, found: [[1, 0, 1]], spread: [] };
  });
  const ended = await Promise.all([search.run("x", false), search.run("xy", false)]);
  assert.deepEqual([ended, signals.map((one) => one.aborted)], [[false, true], [true, false]]);
  assert.deepEqual([search.text, search.error], ["xy", ""]);
});

test("the wait before a new attempt grows to a limit", () => {
  assert.deepEqual([0, 1, 2, 10].map(retryWait), [500, 1000, 2000, 15_000]);
});

test("characters that turn others round are shown by name and turn nothing", () => {
  assert.deepEqual(spans("a\u202eb\u009b31m"), [
    { text: "a", classes: "" },
    { text: "U+202E", classes: "uc" },
    { text: "b31m", classes: "" },
  ]);
});

test("colours that a line before left on go on, to the next reset", () => {
  const lines = ["", "\x1b[1;31mred", "still", "\x1b[32mgreen\x1b[0m\x1b[4m", "under"];
  const pen = (number, first = 1) => penBefore(number, first, (n) => lines[n] ?? null);
  assert.deepEqual([1, 2, 3, 4].map((n) => pen(n)), ["", "\x1b[1;31m", "\x1b[1;31m", "\x1b[4m"]);
  assert.equal(pen(3, 2), "");
});

test("the last step that printed stays open, whatever ran after it without a word", () => {
  const step = (state, line_from, line_to) => ({ state, line_from, line_to, look: ["ok", "ok"] });
  const rows = new LogRows();
  rows.setLineCount(40);
  rows.setSteps([step("succeeded", 1, 10), step("succeeded", 11, 40), step("succeeded", 41, 40)]);
  assert.deepEqual([rows.isOpen(0), rows.isOpen(1)], [false, true]);
  rows.setLineCount(41); // the third has printed
  assert.equal(rows.isOpen(1), false);
});

test("an address names a line or a range of lines", () => {
  const texts = ["#L12", "#L40-L12", "12", " 12 - 40 ", "1\u202f200–1,300", "1 200", "12 40", "#L0", "", "#top", "1x"];
  const none = [0, 0];
  assert.deepEqual(texts.map(placeIn), [[12, 12], [12, 40], [12, 12], [12, 40], [1200, 1300], [1200, 1200], none, none, none, none, none]);
  assert.deepEqual([[12, 12], [12, 40]].map(hashOf), ["#L12", "#L12-L40"]);
});

test("warnings are walked through from where the reader is, and round", async () => {
  const warnings = new LogWarnings(async () => ({ total: 3, lines: 3, before: 0, found: [[5, 0, 1], [9, 0, 1], [20, 0, 1]], spread: [] }), () => {});
  assert.equal(warnings.next(1, 1), 0);
  assert.equal(await warnings.refresh(100), true);
  assert.equal(await warnings.refresh(100), false);
  assert.equal(warnings.isDue(100), false);
  assert.deepEqual([[1, 1], [1, 5], [1, 20], [-1, 20], [-1, 5], [-1, 100]].map(([step, here]) => warnings.next(step, here)), [5, 9, 5, 9, 20, 20]);
});

test("of marks at one place the gravest is seen", () => {
  const marks = marksOf([[0, "w"], [1, "e"], [2, "w"], [50_000, "w"], [50_001, "f"], [99_999, "e"]], 100_000);
  assert.deepEqual([...marks], [[0, "e"], [150, "f"], [300, "e"]]);
});

test("a screen reader hears the last of what is said in quick succession, and nothing twice", () => {
  const said = [];
  let now = 0;
  const waiting = [];
  const clock = { now: () => now, later: (run, ms) => waiting.push([now + ms, run]) };
  const speech = new LogSpeech((text) => said.push(text), clock);
  for (let n = 1; n <= 1000; n += 1) {
    speech.say(`${n} new lines`);
    now += 10;
    while (waiting.length && waiting[0][0] <= now) waiting.shift()[1]();
  }
  assert.deepEqual(said, ["1 new lines", "500 new lines", "1000 new lines"]);
  now += 9000;
  speech.say("1000 new lines");
  assert.equal(said.length, 3);
});

test("an expression that takes for ever leaves the lines without marks", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let ended = 0;
  const silent = { addEventListener() {}, postMessage() {}, terminate: () => (ended += 1) };
  const matcher = new LogMatcher(() => assert.fail("found"), () => silent);
  matcher.setText("(a+)+$", true);
  assert.deepEqual(matcher.find("a".repeat(40) + "b"), []);
  return Promise.resolve().then(() => {
    t.mock.timers.tick(1000);
    assert.deepEqual([ended, matcher.isTooSlow, matcher.find("aaa")], [1, true, []]);
    matcher.setText("a", false);
    assert.deepEqual(matcher.find("ba"), [[1, 2]]);
  });
});

test("marks of an expression come from its worker once for each line", async () => {
  const asked = [];
  const worker = {
    addEventListener(_, heard) { this.heard = heard; },
    postMessage({ lines }) {
      asked.push(...lines);
      queueMicrotask(() => this.heard({ data: lines.map(() => [[0, 1]]) }));
    },
    terminate() {},
  };
  const found = new Promise((resolve) => {
    const matcher = new LogMatcher(() => resolve(matcher), () => worker);
    matcher.setText("a|b", true);
    for (const line of ["a1", "b2", "a1"]) assert.deepEqual(matcher.find(line), []);
  });
  const matcher = await found;
  assert.deepEqual([matcher.find("a1"), matcher.find("b2"), asked], [[[0, 1]], [[0, 1]], ["a1", "b2"]]);
});
