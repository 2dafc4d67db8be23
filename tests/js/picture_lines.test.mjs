/** Lines below a saved picture: static/js/lib/picture_lines.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { broken } from "../../static/js/lib/picture_lines.js";

const wide = (text) => text.length;

test("a long line is broken at a space where there is one, and loses no character of a word", () => {
  const line = "res-1, deepseek-r1, 32 dies, http://here/results/compare/?id=res-1&id=res-2";

  const parts = broken(line, 20, wide);

  assert.ok(parts.every((part) => part.length <= 20));
  assert.equal(parts.join("").replaceAll(" ", ""), line.replaceAll(" ", ""));
  assert.equal(parts[0], "res-1, deepseek-r1,");
});

test("a line that fits stays whole, and Chinese without a space is broken anywhere", () => {
  assert.deepEqual(broken("short", 20, wide), ["short"]);
  assert.deepEqual(broken("一二三四五", 2, wide), ["一二", "三四", "五"]);
});
