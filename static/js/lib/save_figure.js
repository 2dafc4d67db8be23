// @ts-check
/** Save a chart as an image, an HTML page or CSV, with the theme's colours and a title. */

import { named } from "./figure.js";
import { fitted, pictureLines, withLines } from "./picture_lines.js";
import { savedPage } from "./saved_page.js";

const WIDTH = 900;
const HEIGHT = 480;
const ROW = 20;
const SCALE = 2;

/**
 * @param {string} address URL of the file
 * @param {string} name
 */
function download(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

/**
 * Return the image as SVG with a title, and a legend for several lines.
 * @param {any} plot a Plotly element
 * @param {string} title
 * @param {string} ground a colour
 * @returns {Promise<string>}
 */
async function svgOf(plot, title, ground) {
  const margin = { ...plot.layout.margin, t: 56, r: 24 };
  const height = heightOf(plot);
  const layout = {
    ...plot.layout,
    margin,
    width: WIDTH,
    height,
    autosize: false,
    paper_bgcolor: ground,
    plot_bgcolor: ground,
    showlegend: plot.data.length > 1,
    // Below the axis, where the legend can grow.
    legend: { orientation: "h", x: 0, xanchor: "left", y: -0.16, yanchor: "top", itemsizing: "trace" },
    // The page's font is missing in a file: text widths would differ and names would be cut.
    font: { ...plot.layout.font, family: "sans-serif" },
    title: { text: title, x: 0, xanchor: "left", pad: { l: 16 }, font: { size: 15 } },
  };
  const data = named(drawnIn(plot), plot.layout.meta?.names ?? {});
  const address = await Plotly.toImage({ data, layout }, { format: "svg", width: WIDTH, height });
  return decodeURIComponent(address.slice(address.indexOf(",") + 1));
}

/** Return traces with values: a legend must not list empty traces. @param {any} plot @returns {any[]} */
function drawnIn(plot) {
  return plot.data.filter((/** @type {any} */ trace) => !Array.isArray(trace.y) || trace.y.some((/** @type {any} */ y) => y !== null));
}

/** Return the image height: the legend below has about two names per row. @param {any} plot */
function heightOf(plot) {
  const shown = drawnIn(plot).filter((/** @type {any} */ trace) => trace.showlegend !== false);
  return HEIGHT + ROW * Math.ceil(shown.length / 2);
}

/** @param {string} svg @param {number} height @returns {Promise<string>} the data URL of a PNG */
async function pngOf(svg, height) {
  const picture = new Image();
  // Not a blob: the content security policy allows images only from data: URLs.
  picture.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH * SCALE;
  canvas.height = height * SCALE;
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

/**
 * Return the chart as an HTML page that includes the Plotly library.
 * @param {any} plot a Plotly element
 * @param {{title: string, ground: string, ink: string}} look
 */
async function pageOf(plot, look) {
  const script = /** @type {HTMLScriptElement} */ (document.querySelector("script[data-plotly]"));
  const answer = await fetch(script.src);
  const language = document.documentElement.lang;
  return savedPage(plot, { ...look, language, address: location.href, lines: pictureLines(plot), library: await answer.text() });
}

/**
 * @param {any} plot a Plotly element
 * @param {{format: string, title: string, ground: string, ink: string, text: string, name: string}} options
 */
export async function saveFigure(plot, { format, title, ground, ink, text, name }) {
  const file = `${name}.${format}`;
  if (format === "csv") return keep(new Blob([text], { type: "text/csv" }), file);
  if (format === "html") return keep(new Blob([await pageOf(plot, { title, ground, ink })], { type: "text/html" }), file);
  const look = { width: WIDTH, height: heightOf(plot), ground, ink };
  const { svg, height } = withLines(await svgOf(plot, title, ground), fitted(pictureLines(plot), WIDTH), look);
  if (format === "svg") return keep(new Blob([svg], { type: "image/svg+xml" }), file);
  download(await pngOf(svg, height), file);
}

/** @param {Blob} blob @param {string} file */
function keep(blob, file) {
  const address = URL.createObjectURL(blob);
  download(address, file);
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
