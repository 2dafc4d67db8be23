/** Repetition at the end of an answer: static/js/lib/repeats.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { repeated, RepeatWatch } from "../../static/js/lib/repeats.js";

const SENTENCE = "Wait, let me check the sum of the two numbers again. ";
const words = (count) => Array.from({ length: count }, (_, n) => `word${n} is ${n * 7919 % 1013}.`).join(" ");

test("a sentence that comes ten times repeats itself", () => {
  assert.equal(repeated(words(50) + SENTENCE.repeat(10)) >= 10 * SENTENCE.length, true);
});

test("a sentence that comes three times does not yet", () => assert.equal(repeated(words(50) + SENTENCE.repeat(3)), 0));

test("a text that differs does not repeat itself", () => assert.equal(repeated(words(2000)), 0));

test("a repetition that has ended is none", () => assert.equal(repeated(SENTENCE.repeat(20) + words(300)), 0));

test("a short rule in a table is none, a character without end is one", () => {
  assert.equal(repeated(`${words(50)}\n${"-".repeat(200)}`), 0);
  assert.equal(repeated(`${words(50)}\n${"!".repeat(500)}`), 500);
});

test("a paragraph of a thousand characters repeats itself after four times", () => {
  const paragraph = words(80).slice(0, 1000);
  assert.equal(repeated(paragraph.repeat(3)), 0);
  assert.equal(repeated(paragraph.repeat(4)) >= 4000, true);
});

test("only the end of a long text is looked at", () => assert.equal(repeated("a".repeat(2_000_000)), 6000));

test("the time is that at which the repetition began", () => {
  const watch = new RepeatWatch();
  let text = words(50);
  assert.equal(watch.look(text, 0), null);
  for (let second = 1; second <= 20; second += 1) {
    text += SENTENCE;
    watch.look(text, second * 1000);
  }
  assert.equal(watch.since, 1000);
  assert.equal(watch.look(text + words(300), 30_000), null);
});

test("a text is looked at once a second", () => {
  const watch = new RepeatWatch();
  watch.look("word", 0);
  assert.equal(watch.look(`word${"!".repeat(500)}`, 900), null);
  assert.equal(watch.look(`word${"!".repeat(500)}`, 1000), 1000);
});

test("the answer after a thought begins anew", () => {
  const watch = new RepeatWatch();
  assert.equal(watch.look(SENTENCE.repeat(20), 0), 0);
  assert.equal(watch.look("So", 10), null);
});
