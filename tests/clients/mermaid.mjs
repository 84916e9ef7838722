// Has Mermaid parse a JSON list of diagrams (the first argument is its file), and prints the states'
// labels, the transitions and the states' classes of each diagram. With `render` as the second argument
// the labels are those of the finished drawing, and the texts of the arrows are added.
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('<!DOCTYPE html><body></body>');
globalThis.window = window;
globalThis.document = window.document;
for (const name of ['Element', 'SVGElement', 'HTMLElement', 'Node', 'DOMParser', 'XMLSerializer', 'CSSStyleSheet']) {
  globalThis[name] = window[name];
}
// There is no layout without a screen, so the width of a text is estimated from its length. Nothing is
// without a width: Mermaid finds no place for the text of an arrow that ends at such a thing.
window.SVGElement.prototype.getBBox = function () {
  return { x: 0, y: 0, width: 10 * this.textContent.length + 10, height: 20 };
};

const { default: mermaid } = await import('mermaid');
mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', logLevel: 'fatal', maxTextSize: 1e9 });

const render = process.argv[3] === 'render';
const out = [];
for (const text of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  out.push(await read(text).catch((error) => ({ error: String(error.message ?? error) })));
}
console.log(JSON.stringify(out));

async function read(text) {
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  const states = [...db.getStates().values()];
  const page = render ? await drawn(text) : null;
  return {
    labels: page ? labels(page) : Object.fromEntries(states.map((s) => [s.id, s.descriptions])),
    arrows: page ? arrows(page) : null,
    transitions: db.getRelations().map((r) => [r.id1, r.id2]),
    classes: Object.fromEntries(states.map((s) => [s.id, s.classes])),
  };
}

async function drawn(text) {
  const { svg } = await mermaid.render('drawing', text);
  return new window.DOMParser().parseFromString(svg, 'text/html');
}

function labels(page) {
  const nodes = [...page.querySelectorAll('g.node')];
  return Object.fromEntries(nodes.map((n) => [n.id, n.querySelector('.nodeLabel')?.innerHTML ?? null]));
}

function arrows(page) {
  return [...page.querySelectorAll('g.edgeLabel')].map((e) => e.textContent).filter((text) => text.trim());
}
