import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.localStorage = { getItem: () => null, setItem: () => {} };
globalThis.document = { hidden: false };
const { LogPolls, merged, without } = await import("../../static/js/lib/log_polls.js");

test("ranges of two kinds become one list, none of them touching", () => {
  assert.deepEqual(merged([[1, 2], [8, 9]], [[3, 4], [6, 6], [9, 12]]), [[1, 4], [6, 6], [8, 12]]);
  assert.deepEqual(merged([], [[1, 1]]), [[1, 1]]);
});

test("a line that is to be seen leaves its range", () => {
  assert.deepEqual(without([[1, 5], [7, 7]], new Set([1, 3, 7])), [[2, 2], [4, 5]]);
});

test("requests are hidden while the filter is on, and go on from where the server left off", async () => {
  const asked = [];
  const answers = [
    { to: 100, ranges: [[2, 3]], done: false },
    { to: 180, ranges: [[4, 4], [9, 9]], done: true },
  ];
  const polls = new LogPolls(async (query) => asked.push(query) && answers.shift(), () => {});

  await polls.refresh();

  assert.deepEqual(asked, ["from=0", "from=100"]);
  assert.equal(polls.lines, 4);
  assert.deepEqual(polls.hiddenWith([[6, 7]]), [[2, 4], [6, 7], [9, 9]]);
  polls.reveal(3);
  assert.deepEqual(polls.hiddenWith([]), [[2, 2], [4, 4], [9, 9]]);
  polls.toggle();
  assert.deepEqual(polls.hiddenWith([[6, 7]]), [[6, 7]]);
});
