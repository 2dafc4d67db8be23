// @ts-check
/** A chart as a page of one file that can be zoomed and asked, and needs no network. Pure. */

import { escaped } from "./escape.js";

const LEAST_HEIGHT = 480;
const MARGIN_TOP = 40; // room for the legend
// What the file may do, wherever it is opened: run what is in it, and ask nobody.
const POLICY =
  "default-src 'none'; form-action 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:";
const CONFIG = {
  displaylogo: false,
  responsive: true,
  // Plotly's own button sends the chart to a service in the Internet.
  modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d"],
  plotlyServerURL: "",
};

/** A value as a script may hold it: no text of it ends the script. @param {any} value */
function literal(value) {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/**
 * The page. `plot` is a Plotly element: its colours are those of the theme already.
 * @param {{data: any[], layout: any}} plot
 * @param {{title: string, language: string, ground: string, ink: string, address: string, lines: string[], library: string}} about
 *   `library` is the text of Plotly.js; `address` is where the chart was; the last of `lines` ends with it.
 * @returns {string}
 */
export function savedPage(plot, { title, language, ground, ink, address, lines, library }) {
  const { width: _, ...shown } = plot.layout;
  const place = escaped(address);
  const layout = {
    ...shown,
    margin: { ...shown.margin, t: MARGIN_TOP },
    autosize: true,
    height: Math.max(LEAST_HEIGHT, shown.height ?? 0),
    paper_bgcolor: ground,
    plot_bgcolor: ground,
    showlegend: plot.data.length > 1,
  };
  return `<!doctype html>
<html lang="${escaped(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
body { margin: 24px; background: ${ground}; color: ${ink}; font: 13px/1.5 sans-serif; }
h1 { font-size: 16px; }
a { color: inherit; }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<div id="chart"></div>
<p>${lines.map((line) => escaped(line)).join("<br>\n").replace(place, () => `<a href="${place}">${place}</a>`)}</p>
<script>${library.replaceAll("</script", "<\\/script")}</script>
<script>Plotly.newPlot("chart", ${literal(plot.data)}, ${literal(layout)}, ${literal(CONFIG)});</script>
</body>
</html>
`;
}
