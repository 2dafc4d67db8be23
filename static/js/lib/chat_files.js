// @ts-check
/** Text files attached to a message: read here, sent as fenced text of the prompt, shown folded. */

const MOST_BYTES = 128 * 1024;
const MOST_FILES = 10;
const LONGEST_NAME = 100;
const HEAD = "File: ";

/** @param {string} name @param {string} text @returns {string} the file in a fence that its text does not contain */
export function fenced(name, text) {
  const runs = text.match(/`+/g) ?? [];
  const fence = "`".repeat(runs.reduce((most, run) => Math.max(most, run.length + 1), 3));
  const line = name.replace(/\p{C}/gu, "").trim().slice(0, LONGEST_NAME) || "file";
  return `${HEAD}${line}\n${fence}\n${text.replace(/\r\n?/g, "\n").replace(/\n$/, "")}\n${fence}`;
}

/**
 * The parts of a prompt, which together are the prompt.
 * @param {string} prompt
 * @returns {{ head: string, text: string }[]} `head`: line of a file; "" for text that a person wrote
 */
export function partsOf(prompt) {
  const parts = [];
  let from = 0;
  for (const found of prompt.matchAll(/^File: [^\n]{1,100}(?=\n(`{3,})\n)/gm)) {
    if (found.index < from) continue; // a line of the file before
    const begin = found.index + found[0].length;
    const fence = `\n${found[1]}`;
    let end = prompt.indexOf(fence, begin + fence.length);
    while (end >= 0 && !["\n", ""].includes(prompt.charAt(end + fence.length))) end = prompt.indexOf(fence, end + 1);
    if (end < 0) break;
    if (found.index > from) parts.push({ head: "", text: prompt.slice(from, found.index) });
    from = end + fence.length;
    parts.push({ head: found[0], text: prompt.slice(begin, from) });
  }
  if (from < prompt.length) parts.push({ head: "", text: prompt.slice(from) });
  return parts;
}

/** Fold the files of a prompt; its textContent stays the prompt. @param {HTMLElement} element */
export function foldFiles(element) {
  const parts = partsOf(element.textContent ?? "");
  if (!parts.some((part) => part.head)) return;
  element.replaceChildren(
    ...parts.map(({ head, text }) => {
      if (!head) return text;
      const file = document.createElement("details");
      const summary = document.createElement("summary");
      summary.textContent = head;
      file.append(summary, text);
      return file;
    }),
  );
}

/** @param {File} file @returns {Promise<string>} @throws {Error} why it cannot be attached */
async function read(file) {
  const args = { name: file.name.slice(0, LONGEST_NAME), most: MOST_BYTES / 1024 };
  if (file.size > MOST_BYTES) {
    throw new Error(interpolate(gettext("%(name)s is larger than %(most)s KiB. Attach a part of the file."), args, true));
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8, or the file is gone.
  }
  throw new Error(interpolate(gettext("%(name)s is no UTF-8 text. Attach text files only."), args, true));
}

/**
 * @param {HTMLFormElement} form of the message
 * @param {(problem: string) => void} complain
 * @returns {{ into: (data: FormData) => void, clear: () => void }} add the files to a message; forget them
 */
export function bindFiles(form, complain) {
  const input = /** @type {HTMLInputElement} */ (form.querySelector("[data-files]"));
  const list = /** @type {HTMLElement} */ (form.querySelector("[data-attached]"));
  /** @type {{ name: string, text: string }[]} */
  let files = [];

  function show() {
    list.hidden = !files.length;
    list.replaceChildren(
      ...files.map((file) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "btn sm";
        chip.textContent = `${file.name} ×`;
        chip.setAttribute("aria-label", interpolate(gettext("Remove %(name)s"), { name: file.name }, true));
        chip.addEventListener("click", () => {
          files = files.filter((one) => one !== file);
          show();
        });
        return chip;
      }),
    );
  }

  form.querySelector("[data-attach]")?.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    complain("");
    const chosen = [...(input.files ?? [])];
    input.value = "";
    for (const file of chosen) {
      if (files.length >= MOST_FILES) {
        complain(interpolate(gettext("At most %(most)s files a message."), { most: MOST_FILES }, true));
        break;
      }
      try {
        files.push({ name: file.name, text: await read(file) });
      } catch (problem) {
        complain(/** @type {Error} */ (problem).message);
      }
    }
    show();
  });
  return {
    into(data) {
      const texts = [String(data.get("prompt") ?? "").trimEnd(), ...files.map(({ name, text }) => fenced(name, text))];
      data.set("prompt", texts.join("\n\n"));
    },
    clear() {
      files = [];
      show();
    },
  };
}
