/** Sizes and durations as text: static/js/lib/formats.js, by the tables that dashboard/text/formatting.py is held to. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { duration, size } from "../../static/js/lib/formats.js";

globalThis.gettext = (text) => text;
const table = (name) => JSON.parse(readFileSync(new URL(`../data/${name}.json`, import.meta.url), "utf8"));

for (const [bytes, text] of table("sizes")) {
  test(`${bytes} bytes are written as "${text}"`, () => assert.equal(size(bytes), text));
}

for (const [seconds, text] of table("durations")) {
  test(`${seconds} s is written as "${text}"`, () => assert.equal(duration(seconds), text));
}
