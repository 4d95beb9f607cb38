"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const HUES = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#b04f88", "#262626", "#8c8c8c"];
  const hue = (i) => HUES[i % HUES.length];
  // Beyond the last hue lines are dashed and points hollow.
  const isPlain = (i) => i < HUES.length;
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Every text goes onto the page as text.
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const shape = (name, attributes = {}, text = "") => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };

  // Numbers are unpacked when they are looked at first.
  const unpacked = new WeakMap();
  const numbers = (packed) => {
    let found = unpacked.get(packed);
    if (!found) {
      const bytes = atob(packed.data);
      found = new Float64Array(bytes.length / 2);
      for (let i = 0; i < found.length; i++) {
        const step = bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8);
        found[i] = step === 65535 ? NaN : packed.low + (step / 65534) * (packed.high - packed.low);
      }
      unpacked.set(packed, found);
    }
    return found;
  };

  // What stands for all runs: "mean" or "median".
  const AVERAGE = data.average;
  const state = { experiment: 0, view: 0, map: "", epoch: 0, axes: "all", hiddenLayers: new Set(), hiddenRuns: new Set(), timer: 0 };
  const experiment = () => data.experiments[state.experiment];
  const plane = () => experiment()?.planes.find((p) => p.view === state.view);
  const layerName = (layer, layers) => (layer + 1 === layers ? "readout" : String(layer + 1));
  const epochs = () => {
    const shown = plane();
    if (shown) return data.epochs[shown.average.epochs];
    const curve = experiment()?.curves[0];
    return curve ? data.epochs[curve.epochs] : [];
  };
  // The last recorded epoch not after this one.
  const placeOf = (list, epoch) => {
    let [low, high] = [0, list.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (list[middle] <= epoch) low = middle; else high = middle;
    }
    return low;
  };
  const bits = (value) => (Number.isFinite(value) ? value.toFixed(3) : "none");

  const niceStep = (range, most) => {
    const power = 10 ** Math.floor(Math.log10(range / most));
    return [1, 2, 5, 10].map((m) => m * power).find((step) => range / step <= most) ?? 10 * power;
  };
  const axis = (low, high, most = 7) => {
    if (!(high > low)) high = low + 1;
    const step = niceStep(high - low, most);
    const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const ticks = [];
    for (let i = first; i <= last; i++) ticks.push(i * step);
    return { low: first * step, high: last * step, ticks, label: (v) => v.toFixed(decimals) };
  };

  const drawAxes = (svg, box, x, y, [xLabel, yLabel]) => {
    const across = (v) => box.x + ((v - x.low) / (x.high - x.low)) * box.width;
    const up = (v) => box.y + box.height - ((v - y.low) / (y.high - y.low)) * box.height;
    for (const tick of x.ticks) {
      const left = across(tick);
      svg.append(shape("line", { x1: left, x2: left, y1: box.y, y2: box.y + box.height, stroke: "#eaeaea" }));
      svg.append(shape("text", { x: left, y: box.y + box.height + 18, "text-anchor": "middle" }, x.label(tick)));
    }
    for (const tick of y.ticks) {
      const top = up(tick);
      svg.append(shape("line", { x1: box.x, x2: box.x + box.width, y1: top, y2: top, stroke: "#eaeaea" }));
      svg.append(shape("text", { x: box.x - 7, y: top + 4.5, "text-anchor": "end" }, y.label(tick)));
    }
    svg.append(shape("rect", { x: box.x, y: box.y, width: box.width, height: box.height, fill: "none", stroke: "#262626" }));
    svg.append(shape("text", { x: box.x + box.width / 2, y: box.y + box.height + 38, "text-anchor": "middle" }, xLabel));
    const middle = box.y + box.height / 2;
    svg.append(shape("text", { transform: `translate(${box.x - 44} ${middle}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
    return [across, up];
  };

  // The largest values: of this experiment, or of all that were measured in this way.
  const limits = () => {
    const of = state.axes === "own" ? [experiment()] : data.experiments;
    let [low, high, lowY, highY] = [0, 0, 0, 0];
    for (const one of of) for (const p of one?.planes ?? []) if (p.view === state.view) for (const way of [p.average, ...p.runs.map((r) => r[1])]) {
      [low, high] = [Math.min(low, way.x.low), Math.max(high, way.x.high)];
      [lowY, highY] = [Math.min(lowY, way.y.low), Math.max(highY, way.y.high)];
    }
    return [axis(low, high), axis(lowY, highY)];
  };

  const tip = at("tip");
  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 4))}px`;
  };
  const hideTip = () => { tip.hidden = true; };

  const planeBox = { x: 62, y: 14, width: 484, height: 352 };
  let spots = [];
  const drawPlane = () => {
    const svg = at("plane");
    svg.replaceChildren();
    spots = [];
    const shown = plane();
    if (!shown) {
      svg.append(shape("text", { x: 280, y: 200, "text-anchor": "middle" }, experiment()?.runs[0] ? "nothing measured so" : "no finished run"));
      return;
    }
    const [x, y] = limits();
    const [across, up] = drawAxes(svg, planeBox, x, y, ["I(X;T) in bits", "I(T;Y) in bits"]);
    const epoch = epochs()[state.epoch];
    const ways = [[AVERAGE, shown.average], ...shown.runs.map(([run, way]) => [`run ${run}`, way])];
    const points = [];
    for (const [name, way] of ways.reverse()) {
      if (state.hiddenRuns.has(name)) continue;
      const isAverage = name === AVERAGE;
      const list = data.epochs[way.epochs];
      const last = placeOf(list, epoch);
      const [xs, ys] = [numbers(way.x), numbers(way.y)];
      const joined = [];
      for (let layer = 0; layer < shown.layers; layer++) {
        if (state.hiddenLayers.has(layer)) continue;
        let path = "";
        for (let i = 0; i <= last; i++) {
          const [vx, vy] = [xs[i * shown.layers + layer], ys[i * shown.layers + layer]];
          if (!Number.isFinite(vx + vy)) continue;
          path += `${path ? "L" : "M"}${across(vx).toFixed(1)} ${up(vy).toFixed(1)}`;
          spots.push([across(vx), up(vy), `${name}, layer ${layerName(layer, shown.layers)}, epoch ${list[i]}\nI(X;T) ${bits(vx)} bits, I(T;Y) ${bits(vy)} bits`, isAverage]);
        }
        if (!path) continue;
        svg.append(shape("path", { d: path, fill: "none", stroke: hue(layer), "stroke-width": isAverage ? 1.6 : 0.7, "stroke-opacity": isAverage ? 0.75 : 0.35, "stroke-linejoin": "round", "stroke-dasharray": isPlain(layer) ? "none" : "5 3" }));
        const [vx, vy] = [xs[last * shown.layers + layer], ys[last * shown.layers + layer]];
        if (!Number.isFinite(vx + vy)) continue;
        joined.push(`${across(vx).toFixed(1)},${up(vy).toFixed(1)}`);
        const words = `${name}, layer ${layerName(layer, shown.layers)}, epoch ${list[last]}: I(X;T) ${bits(vx)} bits, I(T;Y) ${bits(vy)} bits`;
        const point = shape("circle", { cx: across(vx), cy: up(vy), r: isAverage ? 6 : 3, fill: isPlain(layer) ? hue(layer) : "#fff", "fill-opacity": isAverage ? 1 : 0.6, stroke: isPlain(layer) ? (isAverage ? "#262626" : "none") : hue(layer), "stroke-width": isPlain(layer) ? 1 : 2, role: "img", "aria-label": words, "data-layer": layer, "data-run": name });
        // Keys walk over what stands for all runs; whoever listens for the focus gets it, so single runs do not listen.
        if (isAverage) {
          point.setAttribute("tabindex", "0");
          point.addEventListener("focus", () => { const b = point.getBoundingClientRect(); showTip(words.replace(": ", "\n"), b.right, b.bottom); });
          point.addEventListener("blur", hideTip);
        }
        points.push(point);
      }
      if (isAverage) svg.append(shape("polyline", { points: joined.join(" "), fill: "none", stroke: "#262626", "stroke-width": 1, "stroke-opacity": 0.6 }));
    }
    svg.append(...points);
  };

  const nearest = (svg, event, candidates) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) / box.width) * 560, ((event.clientY - box.top) / box.height) * 420];
    // What stands for all runs is asked for more often than the run below it.
    let [best, distance] = [null, 14];
    for (const spot of candidates) {
      const d = Math.max(0, Math.hypot(spot[0] - x, spot[1] - y) - (spot[3] ? 3 : 0));
      if (d <= distance) [best, distance] = [spot, d];
    }
    return best;
  };
  at("plane").addEventListener("pointermove", (event) => {
    const spot = nearest(at("plane"), event, spots);
    if (spot) showTip(spot[2], event.clientX, event.clientY); else hideTip();
  });
  at("plane").addEventListener("pointerleave", hideTip);

  let curveSpots = [];
  const logOf = (epoch) => Math.log10(Math.max(epoch, -1) + 2);
  const drawCurves = () => {
    const svg = at("curves");
    svg.replaceChildren();
    curveSpots = [];
    const curves = experiment()?.curves ?? [];
    if (!curves.length) {
      svg.append(shape("text", { x: 280, y: 200, "text-anchor": "middle" }, experiment()?.runs[0] ? "nothing recorded" : "no finished run"));
      return;
    }
    const all = curves.flatMap((c) => data.epochs[c.epochs]);
    let [first, last] = [Infinity, -Infinity];
    for (const epoch of all) [first, last] = [Math.min(first, epoch), Math.max(last, epoch)];
    const long = last > 100;
    const scale = long ? logOf : (epoch) => epoch;
    const named = long ? [first, 1, 10, 100, 1000, 10000, 100000].filter((e) => e >= first && e < last * 0.6).concat(last) : axis(first, last, 6).ticks.filter((e) => e >= first && e <= last);
    const back = new Map(named.map((e) => [scale(e), e]));
    const x = { low: scale(first), high: scale(last) > scale(first) ? scale(last) : scale(first) + 1, ticks: [...back.keys()], label: (v) => String(back.get(v)) };
    for (const [kind, top, unit] of [["accuracy", 14, "accuracy"], ["loss", 214, data.loss]]) {
      const [low, high] = [Math.min(...curves.map((c) => c[kind].low)), kind === "accuracy" ? 1 : Math.max(...curves.map((c) => c[kind].high))];
      const box = { x: 62, y: top, width: 484, height: 152 };
      const [across, up] = drawAxes(svg, box, { ...x, ticks: top > 200 ? x.ticks : [] }, axis(low, high, 5), [top > 200 ? "epoch" : "", unit]);
      curves.forEach((curve, i) => {
        const values = numbers(curve[kind]);
        let path = "";
        data.epochs[curve.epochs].forEach((epoch, j) => {
          if (!Number.isFinite(values[j])) return;
          const [left, height] = [across(scale(epoch)), up(values[j])];
          path += `${path ? "L" : "M"}${left.toFixed(1)} ${height.toFixed(1)}`;
          curveSpots.push([left, height, `${curve.split}, epoch ${epoch}\n${unit} ${values[j].toFixed(4)}`]);
        });
        svg.append(shape("path", { d: path, fill: "none", stroke: hue(i), "stroke-width": 1.6 }));
        if (top < 200) {
          const left = box.x + 14 + 80 * i;
          svg.append(shape("line", { x1: left, x2: left + 18, y1: 182, y2: 182, stroke: hue(i), "stroke-width": 2 }));
          svg.append(shape("text", { x: left + 24, y: 186 }, curve.split));
        }
      });
      const now = epochs()[state.epoch];
      if (now !== undefined) {
        const left = across(scale(now));
        svg.append(shape("line", { class: "now", x1: left, x2: left, y1: box.y, y2: box.y + box.height, stroke: "#262626", "stroke-dasharray": "3 3" }));
      }
    }
  };
  at("curves").addEventListener("pointermove", (event) => {
    const spot = nearest(at("curves"), event, curveSpots);
    if (spot) showTip(spot[2], event.clientX, event.clientY); else hideTip();
  });
  at("curves").addEventListener("pointerleave", hideTip);

  const drawValues = () => {
    const table = at("values");
    const shown = plane();
    table.replaceChildren();
    if (!shown || !table.closest("details").open) return;
    const head = element("tr", {}, ...["run", "layer", "I(X;T)", "I(T;Y)"].map((t) => element("th", { scope: "col" }, t)));
    table.append(element("thead", {}, head));
    const body = element("tbody");
    const epoch = epochs()[state.epoch];
    for (const [name, way] of [[AVERAGE, shown.average], ...shown.runs.map(([run, way]) => [`run ${run}`, way])]) {
      if (state.hiddenRuns.has(name)) continue;
      const i = placeOf(data.epochs[way.epochs], epoch);
      for (let layer = 0; layer < shown.layers; layer++) {
        if (state.hiddenLayers.has(layer)) continue;
        const cells = [name, layerName(layer, shown.layers), ...[way.x, way.y].map((p) => bits(numbers(p)[i * shown.layers + layer]))];
        body.append(element("tr", {}, ...cells.map((t) => element("td", {}, t))));
      }
    }
    table.append(body);
  };
  at("values").closest("details").addEventListener("toggle", drawValues);

  // How layers depend on each other, or units of a layer: a table of all pairs at the last epoch measured that is not after the one chosen.
  const maps = () => experiment()?.maps ?? [];
  const keyOf = (map) => `${map.view} ${map.layer ?? ""}`;
  const map = () => maps().find((m) => keyOf(m) === state.map) ?? maps()[0];
  const selectMaps = () => {
    at("alike").hidden = !maps().length;
    const named = (m) => (m.layer === null ? "layers" : `units of layer ${layerName(m.layer, m.readout + 1)}`);
    at("map").replaceChildren(...maps().map((m) => element("option", { value: keyOf(m) }, `${data.map_views[m.view]} · ${named(m)}`)));
    if (maps().length) at("map").value = keyOf(map());
  };
  const drawMap = () => {
    const [table, shown] = [at("pairs"), map()];
    table.replaceChildren();
    if (!shown) return;
    const list = data.epochs[shown.epochs];
    const chosen = epochs()[state.epoch] ?? list[list.length - 1];
    const place = placeOf(list, chosen);
    const [values, size, triangle] = [numbers(shown.values), shown.size, (shown.size * (shown.size + 1)) / 2];
    const value = (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      return values[place * triangle + low * size - (low * (low - 1)) / 2 + high - low];
    };
    const name = (i) => (shown.layer !== null ? String(i + 1) : i === 0 ? "input" : layerName(i - 1, shown.readout + 1));
    const unit = /^(svcca|dcor) /.test(data.map_views[shown.view]) ? "a correlation" : "in bits";
    table.append(element("caption", {}, `${data.map_views[shown.view]}, ${AVERAGE} over runs at epoch ${list[place]}, ${unit}`));
    const places = Array.from({ length: size }, (_, i) => i);
    table.append(element("thead", {}, element("tr", {}, element("td"), ...places.map((i) => element("th", { scope: "col" }, name(i))))));
    const body = element("tbody");
    for (const a of places) {
      const cells = places.map((b) => {
        const v = value(a, b);
        const cell = element("td", {}, Number.isFinite(v) ? v.toFixed(2) : "");
        if (Number.isFinite(v)) {
          const part = Math.max(0, Math.min(1, v / Math.max(shown.values.high, 1e-9)));
          cell.style.background = `rgb(${[0, 1, 2].map((c) => Math.round([246, 248, 251][c] + part * ([0, 74, 124][c] - [246, 248, 251][c]))).join(" ")})`;
          cell.style.color = part > 0.5 ? "#fff" : "#262626";
        }
        return cell;
      });
      body.append(element("tr", {}, element("th", { scope: "row" }, name(a)), ...cells));
    }
    table.append(body);
  };
  at("map").addEventListener("change", () => { state.map = at("map").value; drawMap(); });

  const setEpoch = (place) => {
    const list = epochs();
    state.epoch = Math.max(0, Math.min(place, list.length - 1));
    const [slider, name] = [at("epoch"), list.length ? String(list[state.epoch]) : "none"];
    slider.value = state.epoch;
    slider.setAttribute("aria-valuetext", `epoch ${name}`);
    at("epoch-name").textContent = name;
    drawPlane();
    drawCurves();
    drawValues();
    drawMap();
  };

  const toggles = (box, hidden, items) => {
    box.replaceChildren(box.firstElementChild);
    for (const [key, text, colour] of items) {
      const input = element("input", { type: "checkbox" });
      input.checked = !hidden.has(key);
      input.addEventListener("change", () => { if (input.checked) hidden.delete(key); else hidden.add(key); setEpoch(state.epoch); });
      const label = element("label", {}, input, " ");
      if (colour) { const swatch = element("span", { class: "swatch", "aria-hidden": "true" }); swatch.style.background = isPlain(key) ? colour : "#fff"; swatch.style.borderColor = colour; label.append(swatch); }
      label.append(text);
      box.append(label);
    }
  };

  const selectExperiment = (place) => {
    state.experiment = place;
    at("experiment").value = String(place);
    const views = at("view");
    views.replaceChildren();
    for (const p of experiment()?.planes ?? []) views.append(element("option", { value: String(p.view) }, data.views[p.view]));
    if (!plane()) state.view = experiment()?.planes[0]?.view ?? 0;
    views.value = String(state.view);
    for (const row of at("experiments").querySelectorAll("tbody tr")) row.setAttribute("aria-current", String(Number(row.dataset.place) === place));
    selectMaps();
    selectView();
  };
  const selectView = () => {
    const shown = plane();
    toggles(at("layers"), state.hiddenLayers, Array.from({ length: shown?.layers ?? 0 }, (_, i) => [i, layerName(i, shown.layers), hue(i)]));
    toggles(at("runs"), state.hiddenRuns, shown ? [[AVERAGE, AVERAGE, null], ...shown.runs.map(([run]) => [`run ${run}`, `run ${run}`, null])] : []);
    at("epoch").max = Math.max(0, epochs().length - 1);
    setEpoch(epochs().length - 1);
  };

  const stop = () => { clearInterval(state.timer); state.timer = 0; at("play").textContent = "Play"; at("play").setAttribute("aria-pressed", "false"); };
  at("play").addEventListener("click", () => {
    if (state.timer) return stop();
    if (state.epoch + 1 >= epochs().length) setEpoch(0);
    at("play").textContent = "Pause";
    at("play").setAttribute("aria-pressed", "true");
    state.timer = setInterval(() => (state.epoch + 1 < epochs().length ? setEpoch(state.epoch + 1) : stop()), reduced ? 400 : 60);
  });
  at("epoch").addEventListener("input", () => { stop(); setEpoch(Number(at("epoch").value)); });
  at("view").addEventListener("change", () => { state.view = Number(at("view").value); selectView(); });
  at("axes").addEventListener("change", () => { state.axes = at("axes").value; drawPlane(); });
  at("experiment").addEventListener("change", () => selectExperiment(Number(at("experiment").value)));

  // The table of experiments, a part at a time.
  const PART = 50;
  let found = [];
  const words = data.experiments.map((e) => `${e.label} ${e.values.join(" ")}`.toLowerCase());
  const showRows = () => {
    const body = at("experiments").querySelector("tbody");
    for (const place of found.slice(body.childElementCount, body.childElementCount + PART)) {
      const one = data.experiments[place];
      const button = element("button", { type: "button" }, one.label);
      button.addEventListener("click", () => { selectExperiment(place); at("explorer").scrollIntoView(); at("epoch").focus(); });
      const texts = [...one.values, `${one.runs[0]} of ${one.runs[1]}`, one.accuracy === null ? "none" : one.accuracy.toFixed(4)];
      const row = element("tr", { "data-place": String(place), "aria-current": String(place === state.experiment) }, element("td", {}, button), ...texts.map((t) => element("td", {}, t)));
      body.append(row);
    }
    at("more").hidden = body.childElementCount >= found.length;
    at("found").textContent = `${found.length} of ${data.experiments.length}`;
  };
  const search = () => {
    const parts = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    found = data.experiments.map((_, i) => i).filter((i) => parts.every((part) => words[i].includes(part)));
    const heads = ["experiment", ...data.keys, "runs done", "test accuracy"];
    const head = element("thead", {}, element("tr", {}, ...heads.map((t) => element("th", { scope: "col" }, t))));
    at("experiments").replaceChildren(head, element("tbody"));
    showRows();
  };
  at("filter").addEventListener("input", search);
  at("more").addEventListener("click", showRows);

  const options = document.createDocumentFragment();
  data.experiments.forEach((one, i) => options.append(element("option", { value: String(i) }, one.label)));
  at("experiment").append(options);
  at("average").textContent = AVERAGE;
  search();
  selectExperiment(0);
  document.documentElement.dataset.ready = "true";
})();
