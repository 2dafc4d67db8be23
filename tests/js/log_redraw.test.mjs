import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { strip } from "../../static/js/lib/ansi.js";
import { LogBytes } from "../../static/js/lib/log_bytes.js";
import { LogFolds } from "../../static/js/lib/log_folds.js";
import { drawn, lastState } from "../../static/js/lib/log_redraw.js";

const BARS = readFileSync(new URL("../data/evalscope-1.14-perf/bars.log", import.meta.url));

/** [from, line, redraws, begin of each text] of each row. */
function short(rows) {
  return rows.map(({ from, line, redraws, texts }) => [from, line, redraws, ...texts.map((text) => strip(text).trim().slice(0, 24))]);
}

test("a line that was drawn over and over shows its last state", () => {
  assert.deepEqual(lastState(" 1%\r 2%\r 3%\r"), { text: " 3%", redraws: 2 });
  assert.deepEqual(lastState("plain"), { text: "plain", redraws: 0 });
  assert.deepEqual(lastState("windows\r"), { text: "windows", redraws: 0 });
});

test("a bar that was wiped away before a message is not said to be drawn anew", () => {
  assert.deepEqual(lastState("\rbar 0%\r       \rmessage"), { text: "message", redraws: 0 });
  assert.deepEqual(lastState("\rbar 0%\r\x1b[2K\rmessage"), { text: "message", redraws: 0 });
  assert.deepEqual(lastState("\rbar 0%\rbar 1%\r       \rmessage"), { text: "message", redraws: 1 });
});

test("the bars of a real benchmark end as one row each, and its messages stand alone", () => {
  const lines = BARS.toString().replace(/\n$/, "").split("\n");
  const rows = drawn(lines, 89);
  assert.deepEqual(short(rows), [
    [89, 89, 0, '"multi_turn_args": null'],
    [90, 90, 0, "}"],
    [91, 91, 0, "2026-11-24 19:23:18 - ev"],
    [92, 92, 0, "2026-11-24 19:23:18 - ev"],
    [93, 95, 2, "2026-11-24 19:23:18 - ev"],
    [96, 97, 2, "Generating[requests]:  9"],
    [98, 98, 0, "2026-11-24 19:23:18 - ev"],
    [99, 106, 7, "Warmup[parallel_1_number"],
    [107, 133, 12, "2026-11-24 19:23:34 - ev"],
    [134, 136, 2, "Processing[parallel_1_nu"],
    [137, 137, 0, "2026-11-24 19:23:34 - ev"],
    [138, 138, 0, "Benchmarking summary:"],
    [139, 139, 0, "┌───────────────────────"],
    [140, 140, 0, "│ Metric                "],
    [141, 141, 0, "├───────────────────────"],
  ]);
});

test("while they run, bars stand in the order of the terminal, and no row is empty", () => {
  const lines = BARS.toString().split("\n").slice(0, 32);
  assert.deepEqual(short(drawn(lines, 89)).slice(-3), [
    [98, 98, 0, "2026-11-24 19:23:18 - ev"],
    [99, 106, 5, "Warmup[parallel_1_number", "Warmup[parallel_1_number", "Processing[parallel_1_nu"],
    [107, 119, 5, "Processing[parallel_1_nu"],
  ]);
});

test("bars that were drawn last out of their order make one row", () => {
  const rows = drawn(["outer 0%", "inner 0%\x1b[A", "inner 9%\x1b[A\router 1%"], 1);
  assert.deepEqual(rows, [{ from: 1, line: 3, texts: ["outer 1%", "inner 9%"], redraws: 2 }]);
});

test("empty lines that no bar left stay", () => {
  const rows = drawn(["text", "", "", "bar 0%", "\x1b[Abar 1%"], 1);
  assert.deepEqual(rows.map((row) => row.line), [1, 2, 3, 5]);
});

test("what was erased at the very end is shown as it was before", () => {
  const rows = drawn(["a", "bar 0%", "\x1b[Abar 1%", "\x1b[A      \r"], 1);
  assert.deepEqual(short(rows), [[1, 1, 0, "a"], [2, 3, 1, "bar 1%"]]);
});

/** Folds of a log that is here as a whole. */
function foldsOf(whole) {
  const bytes = new LogBytes(async () => assert.fail("nothing is fetched"), () => {});
  bytes.append(0, whole, 0);
  const folds = new LogFolds(bytes, (number) => bytes.line(number));
  const shown = () => {
    const numbers = [];
    for (let n = 1; n <= bytes.lineCount; n += 1) if (folds.at(n)) numbers.push(n);
    return numbers;
  };
  return { bytes, folds, shown };
}

test("numbers of lines stay those of the file, and what is folded unfolds", () => {
  const { folds, shown } = foldsOf(BARS);
  const all = Array.from({ length: 53 }, (_, i) => i + 1);
  assert.deepEqual(shown(), [1, 2, 3, 4, 7, 9, 10, 18, 45, 48, 49, 50, 51, 52, 53]);
  folds.toggle(45);
  assert.deepEqual(shown(), [1, 2, 3, 4, 7, 9, 10, ...all.slice(17, 45), 48, 49, 50, 51, 52, 53]);
  folds.toggle(20);
  assert.deepEqual(shown(), [1, 2, 3, 4, 7, 9, 10, 18, 45, 48, 49, 50, 51, 52, 53]);
  folds.reveal(6); // by a link to it, or by a search
  assert.deepEqual(shown(), [1, 2, 3, 4, 5, 6, 7, 9, 10, 18, 45, 48, 49, 50, 51, 52, 53]);
});

test("nothing draws over the lines of the step before", () => {
  const { folds, shown } = foldsOf(new TextEncoder().encode("a\nbar 0%\n\x1b[Abar 1%\n"));
  assert.deepEqual(shown(), [1, 3]);
  folds.setBegins([1, 3]);
  assert.deepEqual(shown(), [1, 2, 3]);
});

test("rows follow what is drawn while it comes, in pieces of any size", () => {
  const whole = new Uint8Array(BARS);
  const last = foldsOf(whole).shown();
  const { bytes, shown } = foldsOf(whole.subarray(0, 0));
  for (let at = 0; at < whole.length; at += 97) {
    bytes.append(at, whole.subarray(at, at + 97), 0);
    shown();
  }
  assert.deepEqual(shown(), last);
});

test("a block whose last line is still on its way is not read again and again", () => {
  const whole = new TextEncoder().encode("\router\n\n\rbar 50%\x1b[A\x1b[A".repeat(9000));
  const bytes = new LogBytes(() => new Promise(() => {}), () => {});
  bytes.append(0, whole, 0);
  bytes.blocks.delete(1);
  let reads = 0;
  const folds = new LogFolds(bytes, (number) => {
    reads += 1;
    return bytes.line(number);
  });
  for (let n = 1; n < 2000; n += 1) folds.at(n);
  assert.ok(reads < 2 * bytes.linesOf(0)[1], `${reads} reads`);
});

test("of a log over many blocks each is folded by itself, and a log that draws nothing over is not read for it", () => {
  const update = "\router\n\n\rbar 50% of something that takes a while\x1b[A\x1b[A";
  const { bytes, folds, shown } = foldsOf(new TextEncoder().encode(update.repeat(5000)));
  const count = shown().length;
  assert.ok(bytes.counts.length >= 3 && count <= 4 * bytes.counts.length + 4, `${count} rows`);
  const plain = foldsOf(new TextEncoder().encode("\x1b[31mline\x1b[0m\n".repeat(9000)));
  plain.folds.lineOf = () => assert.fail("read");
  assert.deepEqual(plain.folds.at(8000), { texts: null, redraws: null, isOpen: false });
  folds.lineOf = () => assert.fail("read again");
  assert.equal(shown().length, count);
});
