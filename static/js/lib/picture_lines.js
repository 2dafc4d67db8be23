// @ts-check
/** Lines below a saved picture: what it shows, when and where. Without them it says no more than its title. */

const SIZE = 11;
const LINE = 16;
const SIDE = 16;

/** Return the lines of the page, then time and address. @returns {string[]} */
export function pictureLines() {
  const time = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const given = document.getElementById("pictured")?.textContent;
  return [...(given ? JSON.parse(given) : []), `${time}, ${location.href}`];
}

/**
 * Break a line into parts that are at most `width` wide.
 * @param {string} line
 * @param {number} width
 * @param {(text: string) => number} measure
 * @returns {string[]}
 */
export function broken(line, width, measure) {
  const parts = [];
  let part = "";
  for (const character of line) {
    if (part && measure(part + character) > width) {
      const space = part.lastIndexOf(" ") + 1;
      const end = space > part.length / 2 ? space : part.length;
      parts.push(part.slice(0, end).trimEnd());
      part = part.slice(end);
    }
    part += character;
  }
  return [...parts, part];
}

/**
 * Return a drawing with lines of text below it.
 * @param {string} svg
 * @param {string[]} lines
 * @param {{width: number, height: number, ground: string, ink: string}} look
 * @returns {{svg: string, height: number}}
 */
export function withLines(svg, lines, { width, height, ground, ink }) {
  const pen = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  pen.font = `${SIZE}px sans-serif`;
  const shown = lines.flatMap((line) => broken(line, width - 2 * SIDE, (text) => pen.measureText(text).width));
  const whole = height + shown.length * LINE + SIDE;
  const drawing = new DOMParser().parseFromString(svg, "image/svg+xml");
  const root = drawing.documentElement;
  root.setAttribute("height", String(whole));
  root.setAttribute("viewBox", `0 0 ${width} ${whole}`);
  const add = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ attributes) => {
    const element = drawing.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return root.appendChild(element);
  };
  add("rect", { x: 0, y: height, width, height: whole - height, fill: ground });
  shown.forEach((text, index) => {
    const y = height + SIZE + index * LINE;
    add("text", { x: SIDE, y, fill: ink, "font-family": "sans-serif", "font-size": SIZE }).textContent = text;
  });
  return { svg: new XMLSerializer().serializeToString(root), height: whole };
}
