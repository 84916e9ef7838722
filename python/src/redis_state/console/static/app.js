/**
 * The page: it shows the view of the address, whether the servers answer, and what cannot be shown.
 */

import { announce } from "./announce.js";
import { ask, hasToken, keepToken } from "./api.js";
import { connection } from "./connection.js";
import { h, setText } from "./dom.js";
import { FleetView } from "./fleet.js";
import { FleetsView } from "./fleets.js";
import { MachineView } from "./machine.js";
import { nameNode } from "./names.js";
import { route, tokenOf } from "./router.js";
import { Search } from "./search.js";

const AGAIN = 1000;
const TICK = 1000;
const VIEWS = { fleets: FleetsView, fleet: FleetView, machine: MachineView };
const MODES = { "read-only": "Read only", "no-token": "No token", write: "Can fire" };
const BANNERS = {
  unreachable: "The server can't be reached. Trying again…",
  offline: "The console can't be reached: is it still running? Trying again…",
};
const CONNECTIONS = { starting: "Connecting…", live: "Live", unreachable: "Trying again", offline: "Trying again" };

const main = document.getElementById("main");
const problem = h("div", { class: "problem", role: "alert", hidden: true, data: { testid: "problem" } });
let about = null;
let view = null;
let shown = 0;
let search = null;

function begin() {
  takeToken();
  search = new Search();
  connection.listen(showConnection);
  addEventListener("hashchange", changed);
  document.getElementById("skip").addEventListener("click", skip);
  setInterval(() => view?.tick(), TICK);
  learn();
}

/** Takes the token out of the address, where others may see it, and keeps it for this tab. */
function takeToken() {
  const token = tokenOf(location.hash);
  if (token === null) return false;
  keepToken(token);
  history.replaceState(null, "", "#/");
  return true;
}

function changed() {
  if (takeToken()) return learn();
  if (about) go(true);
}

function skip(event) {
  // A plain link would change the fragment, which is the address of the view.
  event.preventDefault();
  main.focus();
}

/** Asks what this console is until it says so, and begins. */
async function learn() {
  try {
    about = await ask("about", {});
    showAbout();
    leave();
    go(false);
  } catch (error) {
    if (!error.passes) showProblem(error);
    setTimeout(learn, AGAIN);
  }
}

function mode() {
  if (!about.write) return "read-only";
  return (about.token ?? hasToken()) ? "write" : "no-token";
}

function showAbout() {
  const node = document.getElementById("mode");
  node.hidden = false;
  node.dataset.mode = mode();
  setText(node, MODES[mode()]);
  document.getElementById("connection").title = `${about.server} at ${about.address}`;
  showConnection(connection.state, connection.state);
}

function leave() {
  view?.stop();
  view = null;
}

function go(byUser) {
  search.close();
  const wanted = route(location.hash);
  if (view && main.dataset.view === wanted.view && view.update(wanted)) return;
  leave();
  view = new VIEWS[wanted.view](...argumentsOf(wanted));
  main.dataset.view = wanted.view;
  main.replaceChildren(view.node);
  view.node.firstElementChild.after(problem);
  showProblem(null);
  document.title = `${view.title} · redis-state`;
  if (byUser) arrive();
  view.start();
}

function argumentsOf(wanted) {
  const number = ++shown;
  // An answer that comes when another view is shown already is not about that one.
  const onProblem = (error) => number === shown && showProblem(error);
  const context = { onProblem, mode: mode(), by: about.by ?? "" };
  return wanted.view === "fleets" ? [context] : [wanted, context];
}

function arrive() {
  scrollTo(0, 0);
  view.heading.focus({ preventScroll: true });
}

function showConnection(state, before) {
  const node = document.getElementById("connection");
  const down = state in BANNERS;
  node.dataset.state = down ? "trying" : state;
  setText(document.getElementById("connection-text"), state === "live" && about ? about.address : CONNECTIONS[state]);
  main.dataset.stale = String(down);
  const banner = document.getElementById("banner");
  banner.hidden = !down;
  setText(banner, BANNERS[state] ?? "");
  if (state === "live" && before in BANNERS) announce("The server answers again.");
}

function showProblem(error) {
  if (error?.passes) return;
  const text = error === null ? [] : textOf(error);
  problem.hidden = text.length === 0;
  main.classList.toggle("has-problem", text.length > 0);
  if (!problem.isConnected && text.length) main.replaceChildren(problem);
  const words = text.map((part) => part.textContent ?? part).join("");
  // The same alert once more would be spoken once more.
  if (problem.textContent !== words) problem.replaceChildren(...text);
}

function textOf(error) {
  const wanted = route(location.hash);
  if (error.code === "missing" && wanted.view === "machine") {
    return [h("h2", null, "No machine here"), h("p", null, "There is no machine at the key ", nameNode(wanted.key, "key"), ". It may have been deleted, or expired by its timer.")];
  }
  if (error.code === "token") return [h("h2", null, "A token is needed"), h("p", null, "Open the address with the token that the console printed when it started.")];
  return [h("h2", null, "This can't be shown"), h("p", null, nameNode(error.message))];
}

begin();
