// @ts-check
/**
 * Diagrams in Mermaid: a frame without rights draws them, and the page shows them as images. Neither a
 * diagram nor Mermaid itself can run code in the page, read the page, or load anything.
 */

const LONGEST = 20_000; // characters of a source
const LONGEST_IMAGE = 2_000_000;
const PATIENCE_MS = 10_000;

/** @type {Map<number, (answer: { svg?: string, problem?: string }) => void>} */
const waiting = new Map();
/** @type {Promise<HTMLIFrameElement> | null} */
let frame = null;
let count = 0;

/** @returns {Promise<HTMLIFrameElement>} the frame, when it listens */
function listening() {
  frame ??= new Promise((resolve) => {
    const element = document.createElement("iframe");
    element.setAttribute("sandbox", "allow-scripts");
    element.src = `${document.documentElement.dataset.root}playground/diagrams/`;
    element.className = "diagrams";
    element.tabIndex = -1;
    element.ariaHidden = "true";
    addEventListener("message", ({ source, data }) => {
      if (source !== element.contentWindow) return;
      if (data === "ready") return resolve(element);
      waiting.get(data?.id)?.(data);
    });
    document.body.append(element);
  });
  return frame;
}

/** @param {string} source @returns {Promise<{ svg?: string, problem?: string }>} */
async function answered(source) {
  if (source.length > LONGEST) return { problem: interpolate(gettext("longer than %(count)s characters"), { count: LONGEST }, true) };
  const id = (count += 1);
  const answer = new Promise((/** @type {(answer: { svg?: string, problem?: string }) => void} */ resolve) => {
    waiting.set(id, resolve);
    setTimeout(() => resolve({ problem: gettext("no answer within 10 s") }), PATIENCE_MS);
  });
  const isDark = document.documentElement.dataset.bsTheme === "dark";
  // The frame has an opaque origin, which no address names.
  listening().then((element) => element.contentWindow?.postMessage({ id, source, isDark }, "*"));
  return answer.finally(() => waiting.delete(id));
}

/**
 * Show the diagram of a block of code in its place; of a broken one its source, with the reason.
 * @param {HTMLElement} pre
 */
export async function drawDiagram(pre) {
  const code = /** @type {HTMLElement} */ (pre.querySelector("code"));
  const source = code.textContent ?? "";
  if (pre.dataset.drawn === source) return;
  pre.dataset.drawn = source;
  const { svg, problem } = await answered(source);
  const image = typeof svg === "string" ? await imageOf(svg) : null;
  if (pre.dataset.drawn !== source) return; // it has grown
  pre.querySelectorAll(".diagram, .of-diagram").forEach((old) => old.remove());
  code.hidden = image !== null;
  if (image) return show(pre, code, image);
  const line = document.createElement("span");
  line.className = "of-diagram small";
  line.textContent = interpolate(gettext("Diagram not drawn: %(problem)s"), { problem: problem ?? gettext("the image is too large or broken") }, true);
  pre.append(line);
}

/** @param {string} svg @returns {Promise<HTMLImageElement | null>} */
async function imageOf(svg) {
  if (svg.length > LONGEST_IMAGE) return null;
  const image = document.createElement("img");
  image.className = "diagram";
  image.alt = gettext("Diagram");
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  return image.decode().then(
    () => image,
    () => null,
  );
}

/** @param {HTMLElement} pre @param {HTMLElement} code @param {HTMLImageElement} image */
function show(pre, code, image) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "of-diagram btn subtle sm";
  button.textContent = gettext("Source");
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    code.hidden = !code.hidden;
    button.setAttribute("aria-pressed", String(!code.hidden));
  });
  pre.querySelector(".code-head > button")?.before(button);
  pre.append(image);
}

document.addEventListener("theme", () => {
  for (const pre of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("pre[data-drawn]"))) {
    pre.dataset.drawn = "";
    drawDiagram(pre);
  }
});
