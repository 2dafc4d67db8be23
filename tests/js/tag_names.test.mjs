/** Completion of the last of several tags: static/js/lib/tag_names.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { completions } from "../../static/js/lib/tag_names.js";

const NAMES = ["nightly", "v3.3", "发布"];

test("the first tag is completed", () => {
  assert.deepEqual(completions("ni", NAMES), ["nightly"]);
  assert.deepEqual(completions("", NAMES), NAMES);
});

test("the tag after the last comma is completed", () => {
  assert.deepEqual(completions("nightly, V", NAMES), ["nightly, v3.3"]);
  assert.deepEqual(completions("nightly，", NAMES), ["nightly, v3.3", "nightly, 发布"]);
});

test("a tag that is there is not suggested again", () => {
  assert.deepEqual(completions("NIGHTLY, ", NAMES), ["NIGHTLY, v3.3", "NIGHTLY, 发布"]);
  assert.deepEqual(completions("nothing", NAMES), []);
});
