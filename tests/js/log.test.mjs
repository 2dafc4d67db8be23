import assert from "node:assert/strict";
import { test } from "node:test";

import { spans, strip } from "../../static/js/lib/ansi.js";
import { BLOCK, LogBytes } from "../../static/js/lib/log_bytes.js";
import { cut, pattern, ranges } from "../../static/js/lib/log_marks.js";
import { LogRows } from "../../static/js/lib/log_rows.js";
import { LogSearch } from "../../static/js/lib/log_search.js";
import { retryWait } from "../../static/js/lib/live_socket.js";

const encoder = new TextEncoder();

test("colours become classes, and everything else of a terminal is left out", () => {
  assert.deepEqual(spans("\x1b[1;32mINFO\x1b[0m \x1b[2m[x.py]\x1b[22m \x1b]0;title\x07ok\x1b[K"), [
    { text: "INFO", classes: "ag aB" },
    { text: " ", classes: "" },
    { text: "[x.py]", classes: "ad" },
    { text: " ok", classes: "" },
  ]);
  assert.deepEqual(spans("\x1b[38;5;196mred\x1b[38;2;20;60;250mblue\x1b[48;5;1;39mink"), [
    { text: "red", classes: "ar" },
    { text: "blue", classes: "ab" },
    { text: "ink", classes: "" },
  ]);
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
    assert.equal(bytes.append(at, whole.slice(at, at + size), 5), true);
    at += size;
  }
  assert.equal(bytes.append(at + 1, whole.slice(at + 1), 5), false);
  assert.equal(bytes.append(0, whole, 5), true);
  assert.deepEqual(bytes.counts, index.counts);
  assert.deepEqual([bytes.size, bytes.newlines, bytes.lineCount], [index.size, 60_000, 60_001]);
  assert.equal((await lineOf(bytes, 60_001)).text, "end");
  assert.equal((await lineOf(bytes, 30_000)).text, "ab");
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

test("a search walks through matches from where the reader is, and round", async () => {
  const search = new LogSearch(async () => ({ total: 4, lines: 3, found: [[10, 0, 1], [20, 0, 2], [30, 0, 1]] }));
  await search.run("x", false);
  search.walk(1, 15);
  assert.deepEqual(search.current, { line: 20, nth: 0 });
  search.walk(1, 0);
  assert.deepEqual(search.current, { line: 20, nth: 1 });
  search.walk(1, 0);
  search.walk(1, 0);
  assert.deepEqual(search.current, { line: 10, nth: 0 });
  search.walk(-1, 0);
  assert.deepEqual(search.current, { line: 30, nth: 0 });
});

test("the wait before a new attempt grows to a limit", () => {
  assert.deepEqual([0, 1, 2, 10].map(retryWait), [500, 1000, 2000, 15_000]);
});
