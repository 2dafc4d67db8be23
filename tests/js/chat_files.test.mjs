/** Files of a message: static/js/lib/chat_files.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { fenced, partsOf } from "../../static/js/lib/chat_files.js";

const joined = (prompt) => partsOf(prompt).map(({ head, text }) => head + text).join("");

test("a file has its name and a fence", () => {
  assert.equal(fenced("a.txt", "one\r\ntwo\n"), "File: a.txt\n```\none\ntwo\n```");
});

test("a fence is longer than those of the file", () => {
  assert.equal(fenced("a.md", "````\nx\n````"), "File: a.md\n`````\n````\nx\n````\n`````");
});

test("a name is one line", () => {
  assert.equal(fenced("a\n```\nb\u202e.txt", "x").split("\n")[0], "File: a```b.txt");
  assert.equal(fenced("\n", "x").split("\n")[0], "File: file");
});

test("files of a prompt are found between its texts", () => {
  const files = [fenced("a.txt", "File: b\n```\nno file\n```"), fenced("c.py", "print()")];
  const prompt = `Compare:\n\n${files.join("\n\n")}\n\nThanks`;

  assert.deepEqual(partsOf(prompt).map(({ head }) => head), ["", "File: a.txt", "", "File: c.py", ""]);
  assert.equal(joined(prompt), prompt);
});

test("an empty file is one", () => assert.equal(partsOf(fenced("a", "")).length, 1));

test("what only begins as a file is text", () => {
  for (const prompt of ["File: a", "File: a\n```\nopen", "File: a\n```\nx\n````\n", "", "File: \n```\n```"]) {
    assert.deepEqual(partsOf(prompt).filter(({ head }) => head), []);
    assert.equal(joined(prompt), prompt);
  }
});
