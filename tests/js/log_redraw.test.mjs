import assert from "node:assert/strict";
import { test } from "node:test";

import { LogBytes } from "../../static/js/lib/log_bytes.js";
import { LogFolds } from "../../static/js/lib/log_folds.js";
import { lastState } from "../../static/js/lib/log_redraw.js";
import { LogRows } from "../../static/js/lib/log_rows.js";

test("a line that was drawn over and over shows its last state", () => {
  assert.deepEqual(lastState(" 1%\r 2%\r 3%\r"), { text: " 3%", redraws: 2 });
  assert.deepEqual(lastState("plain"), { text: "plain", redraws: 0 });
  assert.deepEqual(lastState("windows\r"), { text: "windows", redraws: 0 });
});

test("a bar that was wiped away before a message is not said to be drawn anew", () => {
  const redraws = (line) => [lastState(line).text.trimEnd(), lastState(line).redraws];
  assert.deepEqual(redraws("\rbar 0%\r       \rmessage"), ["message", 0]);
  assert.deepEqual(redraws("\rbar 0%\r\x1b[2K\rmessage"), ["message", 0]);
  assert.deepEqual(redraws("\rbar 0%\rbar 1%\r       \rmessage"), ["message", 1]);
});

test("what is drawn over something longer leaves its end standing, as a terminal does", () => {
  const text = (line) => lastState(line).text;
  assert.equal(text("abcdef\rxy"), "xycdef");
  assert.equal(text("100%\r\x1b[K50%"), "50%");
  assert.equal(text("ab\bc"), "ac");
  assert.equal(text("一二三四\rab"), "ab二三四");
  assert.equal(text("\x1b[31mred line\r\x1b[0mink"), "ink\x1b[0m\x1b[31m line");
});

const ANSWER = { series: "a", known: 0, to: 900, lines: 60, done: true, folds: [[3, 9, ["one"]], [12, 12, ["own"]]], open: [[20, 50, ["two"]]] };

test("numbers of lines stay those of the file, and what is folded unfolds", () => {
  const folds = new LogFolds();
  folds.take(ANSWER);
  assert.deepEqual(folds.hidden(), [[3, 8], [20, 49]]);
  assert.deepEqual(folds.at(9), { texts: ["one"], folded: 6, isOpen: false });
  assert.deepEqual(folds.at(12), { texts: ["own"], folded: 0, isOpen: false });
  assert.deepEqual(folds.at(10), { texts: null, folded: 0, isOpen: false });
  assert.equal(folds.toggle(9), 3);
  assert.deepEqual(folds.hidden(), [[20, 49]]);
  assert.deepEqual([folds.at(3), folds.at(4), folds.at(9)].map(({ folded, isOpen }) => [folded, isOpen]), [[6, true], [0, false], [0, false]]);
  assert.equal(folds.toggle(5), 9);
  folds.reveal(30); // by a link to it, or by a search
  assert.deepEqual(folds.hidden(), [[3, 8]]);
});

test("what may change still is replaced, and another series begins anew", () => {
  const folds = new LogFolds();
  folds.take(ANSWER);
  assert.equal(folds.query, "series=a&known=2");
  folds.reveal(70); // not known yet
  folds.take({ ...ANSWER, known: 2, to: 1200, lines: 90, folds: [[20, 60, ["two"]]], open: [[61, 80, ["three"]]] });
  assert.deepEqual(folds.hidden(), [[3, 8], [20, 59]]);
  assert.equal(folds.query, "series=a&known=3");
  folds.take({ ...ANSWER, series: "b", known: 0, folds: [[5, 6, ["x"]]], open: [] });
  assert.deepEqual(folds.folds, [[5, 6, ["x"]]]);
});

test("of a log with too many folds nobody waits for those that will never come", () => {
  const folds = new LogFolds();
  folds.take(ANSWER);
  assert.equal(folds.isBehind(901), true);
  folds.take({ ...ANSWER, known: 2, folds: [], open: [], full: true });
  assert.equal(folds.isBehind(901), false);
  assert.deepEqual(folds.hidden(), [[3, 8]]);
});

test("lines that come after the server has said that they have no row get none", () => {
  const rows = new LogRows();
  rows.setLineCount(10);
  rows.setHidden([[2, 8], [12, 14]]);
  assert.equal(rows.count, 3);

  rows.setLineCount(15);

  assert.deepEqual([rows.count, rows.at(3), rows.at(4)], [5, { line: 11 }, { line: 15 }]);
});

test("lines without a row have no place among rows", () => {
  const step = (name, state, line_from, line_to) => ({ name, state, line_from, line_to, look: ["ok", "ok"] });
  const rows = new LogRows();
  rows.setLineCount(100);
  rows.setHidden([[3, 8], [40, 55], [60, 60]]);
  rows.setSteps([step("a", "failed", 1, 50), step("b", "running", 51, null)]);
  const shown = Array.from({ length: rows.count }, (_, i) => rows.at(i)).map((row) => row.line ?? `g${row.group}`);
  const run = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  assert.deepEqual(shown, ["g0", 1, 2, ...run(9, 39), "g1", ...run(56, 59), ...run(61, 100)]);
  for (const line of [1, 2, 9, 39, 56, 61, 100]) assert.deepEqual(rows.at(rows.indexOfLine(line)), { line });
  assert.deepEqual([5, 52, 60].map((line) => rows.at(rows.indexOfLine(line))), [{ line: 9 }, { line: 56 }, { line: 61 }]);
  rows.setLineCount(103);
  assert.deepEqual([rows.count, rows.at(rows.count - 1)], [shown.length + 3, { line: 103 }]);
  rows.setOpen(1, false);
  rows.setLineCount(200);
  assert.deepEqual([rows.at(rows.count - 1), rows.indexOfLine(150)], [{ group: 1 }, rows.count - 1]);
});

test("bytes that move a cursor up are noticed, cut anywhere", () => {
  const whole = new TextEncoder().encode("a\n\x1b[31mred\x1b[0m\n\x1b[12Ab");
  for (let cut = 0; cut < whole.length - 1; cut += 1) {
    const bytes = new LogBytes(async () => assert.fail("fetched"), () => {});
    if (cut) bytes.append(0, whole.slice(0, cut), []);
    const before = bytes.movedAt;
    bytes.append(cut, whole.slice(cut), []);
    assert.deepEqual([before, bytes.movedAt], [0, whole.length], String(cut));
  }
  const plain = new LogBytes(async () => assert.fail("fetched"), () => {});
  plain.append(0, whole.slice(0, 15), []);
  assert.equal(plain.movedAt, 0);
});
