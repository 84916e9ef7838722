/**
 * Lays pictures out with Graphviz, apart from the page, which a large one would freeze for seconds.
 *
 * It returns places only, as numbers and plain texts. The page builds its own elements from them: no SVG or HTML that
 * has names in it is read anywhere.
 */

import { instance } from "./vendor/viz.js";

const POINTS_PER_INCH = 72;
const graphviz = instance();

// The page draws the text in its own font. Helvetica is the one of those Graphviz can measure that is most like it.
const STYLE = {
  nodeAttributes: { shape: "box", fontname: "Helvetica", fontsize: 13, height: 0.42, margin: "0.16,0.06" },
  edgeAttributes: { fontname: "Helvetica", fontsize: 11, arrowsize: 0.7 },
};

onmessage = async ({ data: { id, dot, labels, direction } }) => {
  try {
    postMessage({ id, layout: laidOut(await graphviz, adapted(dot, labels), direction) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};

// Above so many arrows Graphviz would take minutes for the best places and for curves around them: 100 states with three
// arrows each took over a minute. With these limits, 200 take two seconds.
const MANY_EDGES = 150;
const QUICK = { splines: "line", nslimit: 1, nslimit1: 1, mclimit: 0.1 };

function laidOut(viz, dot, direction) {
  const many = (dot.match(/ -> /g) ?? []).length > MANY_EDGES;
  const graphAttributes = { rankdir: direction, nodesep: 0.3, ranksep: 0.4, ...(many ? QUICK : {}) };
  const options = { format: "json", yInvert: true, graphAttributes, ...STYLE };
  const result = viz.render(dot, options);
  if (result.status !== "success") throw new Error(result.errors[0]?.message ?? "Graphviz failed");
  return places(JSON.parse(result.output));
}

/**
 * Takes out what would win over the options, and has those labels measured that the page shows. No label has a line
 * break, so each line is what it looks like.
 */
function adapted(dot, labels) {
  return dot
    .replace(/^ {4}rankdir=LR;\n/m, "")
    .replace(/^ {4}(start|deleted) \[/gm, "    $1 [width=0.12, height=0.12, ")
    .replace(/^( {4}.*?\[id="([se]\d+)", label=)"(?:[^"\\]|\\.)*"/gm, (whole, before, id) =>
      id in labels ? `${before}"${escaped(labels[id])}"` : whole,
    );
}

function escaped(label) {
  return label.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("&", "&amp;");
}

function places(graph) {
  const [, height, width] = graph.bb.split(",").map(Number);
  const nodes = graph.objects ?? [];
  return { width, height, nodes: nodes.map(node), edges: (graph.edges ?? []).map((edge) => arrow(edge)) };
}

function node({ name, pos, width, height, shape, peripheries }) {
  const [x, y] = pos.split(",").map(Number);
  return { id: name, x, y, width: width * POINTS_PER_INCH, height: height * POINTS_PER_INCH, shape, double: peripheries === "2" };
}

function arrow({ id, label, lp, _draw_, _hdraw_ }) {
  const curve = _draw_?.find(({ op }) => op === "b")?.points ?? [];
  const head = _hdraw_?.find(({ op }) => op === "P" || op === "p")?.points ?? [];
  const [x, y] = lp?.split(",").map(Number) ?? [];
  return { id, curve, head, label: label && lp ? { text: label, x, y } : null };
}
