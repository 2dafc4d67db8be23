/** Lines below a saved picture: static/js/lib/picture_lines.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { broken, withLines } from "../../static/js/lib/picture_lines.js";

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

test("a drawing grows by its lines, which are no markup", () => {
  const svg = '<svg class="main-svg" width="900" height="500" viewBox="0 0 900 500"><svg height="7"></svg></svg>';

  const drawn = withLines(svg, ["a <b> & c", "d"], { width: 900, height: 500, ground: "white", ink: "black" });

  assert.equal(drawn.height, 548);
  assert.ok(drawn.svg.startsWith('<svg class="main-svg" width="900" height="548" viewBox="0 0 900 548"><svg height="7">'));
  assert.ok(drawn.svg.includes(">a &lt;b&gt; &amp; c</text>") && drawn.svg.endsWith("</g></svg>"));
});
