// Explore latent space: requests pictures and numbers from the local server, and shows them.
"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const state = { model: null, map: null, current: null, near: [], way: [], seed: 0, ask: 0 };
const BOX = { width: 640, height: 470, margin: 18 };
const COLORS = 8;

async function ask(name, given = {}) {
  const reply = await fetch(`${name}?${new URLSearchParams(given)}`);
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.hint ? `${content.error}\n${content.hint}` : content.error);
  return content;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function draw(tag, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

function shown(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}

function picture(item) {
  const holder = make("div");
  if (item.drawing) holder.innerHTML = item.drawing; // from the server, which escapes its text
  else holder.append(make("div", { className: "mol none", textContent: item.reason || "no molecule" }));
  return holder.firstElementChild;
}

function copier(smiles) {
  const button = make("button", { type: "button", className: "copy", textContent: "copy", title: `Copy ${smiles}` });
  button.addEventListener("click", async (event) => {
    event.stopPropagation();
    await navigator.clipboard.writeText(smiles);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 900);
  });
  return button;
}

function fill(figure, name, item) {
  figure.replaceChildren(
    make("p", { className: "name", textContent: name }),
    picture(item),
    make("p", { className: "smiles", textContent: item.smiles || "", title: item.smiles || "" }),
  );
  if (item.smiles) figure.append(copier(item.smiles));
}

function tile(item, ...lines) {
  const element = make("li", { className: "tile", title: "Go there" }, picture(item),
    ...lines.map((text, k) => make("p", { className: k ? "line-of-text" : "first", textContent: text })),
    make("p", { className: "smiles", textContent: item.smiles, title: item.smiles }), copier(item.smiles));
  element.dataset.smiles = item.smiles;
  element.addEventListener("click", () => go(item.smiles));
  return element;
}

function say(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error ? error.message : "";
}

async function go(smiles) {
  location.hash = encodeURIComponent(smiles);
  $("smiles").value = smiles;
  const turn = ++state.ask;
  for (const id of ["molecule", "near", "way"]) $(id).classList.add("busy");
  [state.near, state.way] = [[], []];
  try {
    const found = await ask("molecule", { smiles });
    if (turn !== state.ask) return;
    say(null);
    state.current = found;
    showMolecule(found);
    markMap();
    await neighbors(turn);
    if (turn === state.ask) await walk(turn);
  } catch (error) {
    if (turn === state.ask) say(error);
  } finally {
    if (turn === state.ask) for (const id of ["molecule", "near", "way"]) $(id).classList.remove("busy");
  }
}

function showMolecule(found) {
  const back = found.reconstruction;
  fill($("given"), "as given, standardized", found);
  fill($("back"), "reconstruction", back);
  const badges = [back.exact ? ["good", "exact reconstruction"]
    : back.smiles ? ["wrong", `another molecule, similarity ${shown(back.similarity, 2)}`]
    : ["wrong", "invalid reconstruction"]];
  if (found.p_value !== null) {
    badges.push(found.p_value > 0.05 ? ["good", "in the applicability domain"] : ["wrong", "outside the applicability domain"]);
  }
  if (found.unknown_tokens.length) badges.push(["wrong", `unknown to it: ${found.unknown_tokens.join(" ")}`]);
  $("verdict").replaceChildren(...badges.map(([kind, text]) => make("span", { className: `badge ${kind}`, textContent: text })));
  const cell = (text, tag = "td") => make(tag, { textContent: text, className: "num" });
  const columns = (molecule) => ({ predicted: (k) => `${shown(molecule.predicted[k])} ± ${shown(molecule.deviation[k], 2)}`, computed: (k) => shown(molecule.computed[k]) });
  const molecules = back.exact || !back.predicted ? [found] : [found, back];
  const names = [...new Set([...state.model.properties, ...state.model.computed])];
  const rows = [make("tr", {}, make("th"), ...molecules.flatMap((_, k) => ["predicted", "computed"].map((kind) =>
    cell(k ? `as written back, ${kind}` : kind, "th"))))];
  for (const name of names) {
    const at = { predicted: state.model.properties.indexOf(name), computed: state.model.computed.indexOf(name) };
    rows.push(make("tr", {}, make("td", { textContent: name }), ...molecules.flatMap((molecule) =>
      Object.entries(columns(molecule)).map(([kind, value]) => cell(at[kind] < 0 ? "" : value(at[kind]))))));
  }
  $("values").replaceChildren(...rows);
}

async function neighbors(turn = ++state.ask) {
  const radius = Number($("radius").value);
  $("near").classList.add("busy");
  const found = await ask("neighbors", { smiles: state.current.smiles, radius, draws: 60, seed: state.seed });
  if (turn !== state.ask) return;
  state.near = found.neighbors;
  $("neighbors-said").textContent = `${found.n_draws} points around it: ${found.n_valid} are molecules, `
    + `${found.n_parent} of them the molecule itself; ${found.n_different} others.`;
  $("near").replaceChildren(...found.neighbors.map((item) => tile(item,
    `similarity ${shown(item.similarity, 2)}`, `found ${item.n_found} ${item.n_found === 1 ? "time" : "times"}`)));
  $("near").classList.remove("busy");
  markMap();
}

async function walk(turn = ++state.ask) {
  $("way").classList.add("busy");
  const found = await ask("path", { start: state.current.smiles, end: $("end").value.trim(), steps: 21 });
  if (turn !== state.ask) return;
  state.way = found.waypoints;
  $("step").max = state.way.length - 1;
  $("step").value = Math.floor(state.way.length / 2);
  fill($("start-tile"), "start", state.current);
  ask("drawing", { smiles: $("end").value.trim() }).then((item) => fill($("end-tile"), "end", item));
  drawLikeness();
  step();
  $("way").classList.remove("busy");
}

function step() {
  const here = state.way[$("step").value];
  if (!here) return;
  const both = here.smiles ? ` · ${shown(here.to_start, 2)} like the start · ${shown(here.to_end, 2)} like the end` : "";
  fill($("step-tile"), `${Math.round(100 * here.position)} %${both}`, here);
  const x = 400 * here.position;
  for (const name of ["x1", "x2"]) $("likeness").querySelector(".now").setAttribute(name, x);
  markMap();
}

function drawLikeness() {
  const chart = $("likeness");
  chart.replaceChildren();
  draw("line", { x1: 0, x2: 400, y1: 80, y2: 80, class: "axis" }, chart);
  draw("line", { class: "now", y1: 0, y2: 86 }, chart);
  for (const [key, color] of [["to_start", "c0"], ["to_end", "c1"]]) {
    const points = state.way.filter((w) => w[key] !== null).map((w) => `${400 * w.position},${80 - 74 * w[key]}`);
    draw("polyline", { points: points.join(" "), class: `line ${color}` }, chart);
  }
}

function scales() {
  const points = state.map.points.map((point) => point.at);
  const span = (k) => {
    const sorted = points.map((at) => at[k]).sort((a, b) => a - b);
    const low = sorted[0], high = sorted[sorted.length - 1], pad = 0.04 * (high - low || 1);
    return [low - pad, high + pad];
  };
  const [x, y] = [span(0), span(1)];
  const scale = ([low, high], start, end) => (value) => start + ((value - low) / (high - low)) * (end - start);
  const back = ([low, high], start, end) => (place) => low + ((place - start) / (end - start)) * (high - low);
  const { width, height, margin } = BOX;
  return { x: scale(x, margin, width - margin), y: scale(y, height - margin, margin),
    fromX: back(x, margin, width - margin), fromY: back(y, height - margin, margin) };
}

function drawMap() {
  const map = $("map"), k = Number($("color").value), to = state.scales;
  const values = state.map.points.map((point) => (k < 0 ? 0 : point.predicted[k]));
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor(0.02 * sorted.length)], high = sorted[Math.floor(0.98 * (sorted.length - 1))];
  map.replaceChildren();
  state.map.points.forEach((point, n) => {
    const level = k < 0 ? 2 : Math.max(0, Math.min(COLORS - 1, Math.floor((COLORS * (values[n] - low)) / (high - low || 1))));
    const dot = draw("circle", { cx: to.x(point.at[0]), cy: to.y(point.at[1]), r: 4, class: `point q${level}` }, map);
    dot.dataset.smiles = point.smiles;
  });
  draw("g", { id: "marks" }, map);
  $("low").textContent = k < 0 ? "" : shown(low, 2);
  $("high").textContent = k < 0 ? "" : shown(high, 2);
  markMap();
}

function markMap() {
  const marks = $("marks"), to = state.scales;
  if (!marks || !to) return;
  marks.replaceChildren();
  const way = state.way.filter((w) => w.at);
  if (way.length) draw("polyline", { class: "way", points: way.map((w) => `${to.x(w.at[0])},${to.y(w.at[1])}`).join(" ") }, marks);
  for (const item of state.near.filter((near) => near.at)) {
    const ring = draw("circle", { cx: to.x(item.at[0]), cy: to.y(item.at[1]), r: 5, class: "near" }, marks);
    ring.dataset.smiles = item.smiles;
  }
  const on = state.way[$("step").value];
  if (on && on.at) draw("circle", { cx: to.x(on.at[0]), cy: to.y(on.at[1]), r: 6, class: "on" }, marks);
  if (state.current && state.current.at) {
    const [x, y] = [to.x(state.current.at[0]), to.y(state.current.at[1])];
    draw("line", { x1: x - 16, x2: x + 16, y1: y, y2: y, class: "cross" }, marks);
    draw("line", { x1: x, x2: x, y1: y - 16, y2: y + 16, class: "cross" }, marks);
    draw("circle", { cx: x, cy: y, r: 8, class: "here" }, marks);
  }
}

async function tip(event) {
  const smiles = event.target.dataset && event.target.dataset.smiles;
  const box = $("tip");
  if (!smiles) { box.hidden = true; box.dataset.smiles = ""; return; }
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - 210)}px`;
  box.style.top = `${Math.min(event.clientY + 14, innerHeight - 210)}px`;
  if (box.dataset.smiles === smiles) return;
  box.dataset.smiles = smiles;
  const item = await ask("drawing", { smiles });
  if (box.dataset.smiles !== smiles) return;
  box.replaceChildren(picture(item), make("div", { className: "smiles", textContent: smiles }));
  box.hidden = false;
}

async function clickMap(event) {
  $("tip").hidden = true;
  if (event.target.dataset.smiles) { go(event.target.dataset.smiles); return; }
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform($("map").getScreenCTM().inverse());
  try {
    const found = await ask("place", { smiles: state.current.smiles, x: state.scales.fromX(point.x), y: state.scales.fromY(point.y) });
    if (found.smiles) go(found.smiles);
    else say(new Error(`Invalid molecule at this point: ${found.reason}`));
  } catch (error) { say(error); }
}

function saidRadius() {
  const radius = Number($("radius").value), curve = state.model.similarity_by_radius;
  let text = `${radius.toFixed(1)} ${state.model.noise_levels ? "noise" : "σ"}`;
  if (curve) {
    const [radii, similar] = curve;
    const k = Math.max(1, radii.findIndex((value) => value >= radius));
    const share = Math.max(0, Math.min(1, (radius - radii[k - 1]) / (radii[k] - radii[k - 1])));
    text += `, similarity ≈ ${(similar[k - 1] + share * (similar[k] - similar[k - 1])).toFixed(2)}`;
  }
  $("radius-shown").textContent = text;
}

async function begin() {
  state.model = await ask("model");
  $("name").textContent = state.model.name;
  document.title = `${state.model.name} · molvae explore`;
  $("facts").textContent = `${state.model.latent_size} latent dimensions, ${state.model.n_parameters.toLocaleString("en")} parameters, `
    + `predicts ${state.model.properties.join(", ") || "nothing"}`;
  $("end").value = state.model.end;
  state.model.properties.forEach((name, k) => $("color").append(make("option", { value: k, textContent: name })));
  if (!state.model.properties.length) $("color").append(make("option", { value: -1, textContent: "nothing" }));
  const strip = document.querySelector(".strip");
  for (let k = 0; k < COLORS; k++) draw("rect", { x: 10 * k, y: 0, width: 10.5, height: 10, class: `q${k}` }, strip);
  if (state.model.noise_levels) $("radius").max = 1;
  $("radius").value = state.model.radius;
  saidRadius();
  const wanted = decodeURIComponent(location.hash.slice(1)) || state.model.start;
  const first = go(wanted);
  state.map = await ask("map");
  state.scales = scales();
  const seen = state.map.share.reduce((a, b) => a + b);
  $("map-caption").textContent = `${state.map.points.length.toLocaleString("en")} known molecules on the two `
    + `axes along which they differ most (${(100 * seen).toFixed(0)} % of the variance). Click a molecule to go there, or a `
    + "free place to move the molecule there.";
  drawMap();
  await first;
  document.body.dataset.ready = "yes";
}

$("go").addEventListener("submit", (event) => { event.preventDefault(); go($("smiles").value.trim()); });
$("to").addEventListener("submit", (event) => { event.preventDefault(); say(null); walk().catch(say).finally(() => $("way").classList.remove("busy")); });
$("swap").addEventListener("click", () => { const end = $("end").value.trim(); $("end").value = state.current.smiles; go(end); });
$("any").addEventListener("click", () => { if (state.map) go(state.map.points[Math.floor(Math.random() * state.map.points.length)].smiles); });
$("radius").addEventListener("input", saidRadius);
$("radius").addEventListener("change", () => neighbors().catch(say));
$("again").addEventListener("click", () => { state.seed += 1; neighbors().catch(say); });
$("step").addEventListener("input", step);
$("color").addEventListener("change", drawMap);
$("map").addEventListener("pointermove", (event) => tip(event).catch(() => {}));
$("map").addEventListener("pointerleave", () => { $("tip").hidden = true; });
$("map").addEventListener("click", clickMap);
$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.trim() === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
});
begin().catch(say);
