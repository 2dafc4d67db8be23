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
    { to: 100, ranges: [[2, 3]], done: false, lines: 3 },
    { to: 180, ranges: [[4, 4], [9, 9]], done: true, lines: 9 },
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

test("a line has no row before it is known to be none of the requests, unless nobody tells", async () => {
  const answers = [{ to: 100, ranges: [[5, 5]], done: true, lines: 5 }, null];
  const polls = new LogPolls(async () => answers.shift() ?? Promise.reject(new Error("away")), () => {});
  assert.equal(polls.shown(7), 7);

  await polls.refresh();
  assert.equal(polls.shown(7), 5);
  polls.toggle();
  assert.equal(polls.shown(7), 7);
  polls.toggle();

  polls.askAt = 0;
  await polls.refresh();
  assert.equal(polls.shown(7), 7);
});

test("lines that came while it was asked are looked at soon, without further news", async () => {
  const answers = [{ to: 10, ranges: [], done: true, lines: 1 }, { to: 20, ranges: [[2, 2]], done: true, lines: 2 }];
  let came = 0;
  const polls = new LogPolls(async () => answers.shift(), () => (came += 1));

  const first = polls.refresh();
  await polls.refresh();
  await first;
  while (answers.length) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 20));

  assert.equal(came, 2);
  assert.equal(polls.lines, 1);
});
