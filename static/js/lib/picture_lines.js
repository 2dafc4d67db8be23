// @ts-check
/** Lines below a saved picture: what it shows, when and where. Without them it says no more than its title. */

import { escaped } from "./escape.js";

const SIZE = 11;
const LINE = 16;
const SIDE = 16;

/** Return the lines of the chart, else of the page, then time and address. @param {any} plot a Plotly element @returns {string[]} */
export function pictureLines(plot) {
  const time = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const given = document.getElementById("pictured")?.textContent;
  return [...(plot.layout.meta?.pictured ?? (given ? JSON.parse(given) : [])), `${time}, ${location.href}`];
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
 * Return a drawing with lines of text below it. As text: parsed, its style attributes would break the
 * content security policy.
 * @param {string} svg
 * @param {string[]} lines
 * @param {{width: number, height: number, ground: string, ink: string}} look
 * @returns {{svg: string, height: number}}
 */
export function withLines(svg, lines, { width, height, ground, ink }) {
  const whole = height + lines.length * LINE + SIDE;
  const start = svg.indexOf(">") + 1;
  const root = svg
    .slice(0, start)
    .replace(/ height="[^"]*"/, ` height="${whole}"`)
    .replace(/ viewBox="[^"]*"/, ` viewBox="0 0 ${width} ${whole}"`);
  const texts = lines.map((line, index) => `<text x="${SIDE}" y="${height + SIZE + index * LINE}">${escaped(line)}</text>`);
  const below =
    `<rect x="0" y="${height}" width="${width}" height="${whole - height}" fill="${ground}"/>` +
    `<g fill="${ink}" font-family="sans-serif" font-size="${SIZE}">${texts.join("")}</g>`;
  return { svg: `${root}${svg.slice(start).replace(/<\/svg>\s*$/, () => `${below}</svg>`)}`, height: whole };
}

/** Return lines as broken for a picture. @param {string[]} lines @param {number} width */
export function fitted(lines, width) {
  const pen = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  pen.font = `${SIZE}px sans-serif`;
  return lines.flatMap((line) => broken(line, width - 2 * SIDE, (text) => pen.measureText(text).width));
}
