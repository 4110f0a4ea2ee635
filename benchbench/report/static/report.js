// The page is whole without this script. It draws the chart of trade-offs, sorts and filters tables, and
// lets pictures be compared. Whatever a suite or a result names is written as text, never parsed as HTML.
(function () {
  "use strict";

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  /** An element with attributes and children; texts become text nodes. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function option(value, text) {
    return make("option", { value: String(value) }, text);
  }

  // ---------------------------------------------------------------- tables

  function sortKey(row, column) {
    const cell = row.cells[column];
    // A row with a reason in place of its figures has fewer cells.
    if (!cell || cell.classList.contains("reason")) return null;
    if (cell.classList.contains("n")) return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
    return cell.textContent.trim().toLowerCase();
  }

  function compare(one, other, sign) {
    // What has no figure comes last, whichever way is sorted.
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number") return sign * (one - other);
    return sign * one.localeCompare(other, "en", { numeric: true });
  }

  function enhanceTable(table) {
    const body = table.tBodies[0];
    // Seeds stay below the line that they belong to.
    const groups = [];
    for (const row of body.rows) {
      if (row.classList.contains("seed") && groups.length) groups[groups.length - 1].push(row);
      else groups.push([row]);
    }
    if (groups.length < 2) return;
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const next = { none: "ascending", ascending: "descending", descending: "none" };
        const order = next[head.getAttribute("aria-sort")];
        for (const each of heads) each.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const by = (rows) => rows.slice().sort((a, b) => compare(sortKey(a, column), sortKey(b, column), sign));
        const ordered = groups.map(([first, ...seeds]) => [first, ...(order === "none" ? seeds : by(seeds))]);
        if (order !== "none") {
          ordered.sort((a, b) => compare(sortKey(a[0], column), sortKey(b[0], column), sign));
        }
        body.append(...ordered.flat());
      });
    });
    if (groups.length >= 4) addFilter(table, groups);
  }

  function addFilter(table, groups) {
    const region = table.closest(".wide");
    const field = make("input", {
      type: "search", autocomplete: "off", spellcheck: "false",
      "aria-label": `Filter the rows of: ${region.getAttribute("aria-label")}`,
    });
    const said = make("output", { "aria-live": "polite" });
    const label = make("label", {}, "Filter ", field);
    region.before(make("div", { class: "tools" }, label, said));
    field.addEventListener("input", () => {
      const words = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const rows of groups) {
        const text = rows.map((row) => row.textContent).join(" ").toLowerCase();
        const fits = words.every((word) => text.includes(word));
        shown += fits;
        for (const row of rows) row.hidden = !fits;
      }
      said.textContent = words.length ? `${shown} of ${groups.length} rows` : "";
    });
  }

  // ------------------------------------------------------------- galleries

  const MOST_ZOOM = 16;

  function enhanceGallery(figure) {
    const region = figure.querySelector(".wide");
    const frames = Array.from(figure.querySelectorAll(".frame"));
    if (!frames.length) return;
    let zoom = 1, x = 0, y = 0;
    const level = make("output", { class: "level", "aria-live": "polite" }, "1x");

    function apply() {
      x = Math.min(Math.max(x, 0), zoom - 1);
      y = Math.min(Math.max(y, 0), zoom - 1);
      figure.style.setProperty("--zoom", zoom);
      figure.style.setProperty("--left", `${-100 * x}%`);
      figure.style.setProperty("--top", `${-100 * y}%`);
      figure.classList.toggle("zoomed", zoom > 1);
      level.textContent = `${zoom.toFixed(zoom < 10 && zoom % 1 ? 1 : 0)}x`;
    }

    // (fx, fy) is the place in a frame, from 0 to 1, that stays where it is.
    function zoomBy(factor, fx, fy) {
      const next = Math.min(Math.max(zoom * factor, 1), MOST_ZOOM);
      x = ((x + fx) / zoom) * next - fx;
      y = ((y + fy) / zoom) * next - fy;
      zoom = next;
      apply();
    }

    function place(frame, event) {
      const box = frame.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    }

    function panBy(dx, dy) {
      x += dx;
      y += dy;
      apply();
    }

    function reset() {
      zoom = 1;
      apply();
    }

    const keys = {
      "+": () => zoomBy(1.5, 0.5, 0.5), "=": () => zoomBy(1.5, 0.5, 0.5),
      "-": () => zoomBy(1 / 1.5, 0.5, 0.5), "0": reset,
    };
    const arrows = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };
    region.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      // At 1x an arrow scrolls, as everywhere.
      if (keys[event.key]) keys[event.key]();
      else if (arrows[event.key] && zoom > 1) panBy(...arrows[event.key]);
      else return;
      event.preventDefault();
    });

    const touching = new Map();
    for (const frame of frames) {
      frame.addEventListener("wheel", (event) => {
        // The page must scroll past pictures: a wheel zooms where a reader has clicked, or with Ctrl.
        if (!event.ctrlKey && !region.contains(document.activeElement)) return;
        event.preventDefault();
        zoomBy(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 250), ...place(frame, event));
      }, { passive: false });
      frame.addEventListener("pointerdown", (event) => {
        touching.set(event.pointerId, event);
        if (zoom > 1 || touching.size > 1) frame.setPointerCapture(event.pointerId);
      });
      frame.addEventListener("pointermove", (event) => {
        const before = touching.get(event.pointerId);
        if (!before) return;
        const box = frame.getBoundingClientRect();
        const other = Array.from(touching.values()).find((each) => each.pointerId !== event.pointerId);
        if (other) {
          const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
          zoomBy(apart(event) / Math.max(apart(before), 1), ...place(frame, other));
        } else if (zoom > 1) {
          panBy((before.clientX - event.clientX) / box.width, (before.clientY - event.clientY) / box.height);
        }
        touching.set(event.pointerId, event);
      });
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
        frame.addEventListener(end, (event) => touching.delete(event.pointerId));
      }
    }

    const buttons = [["−", "Zoom out", keys["-"]], ["+", "Zoom in", keys["+"]], ["Reset", "Reset the zoom", reset]];
    const tools = make("div", { class: "tools" });
    for (const [text, label, act] of buttons) {
      const button = make("button", { type: "button", "aria-label": label }, text);
      button.addEventListener("click", act);
      tools.append(button);
    }
    tools.append(level);
    addDifference(figure, tools);
    tools.append(make("span", { class: "hint" },
      "Click a picture, then turn the wheel or press + and −, drag or use the arrows; 0 resets."));
    region.before(tools);
  }

  function addDifference(figure, tools) {
    const rows = Array.from(figure.querySelectorAll("tr[data-label]"));
    if (rows.length < 2) return;
    const show = make("select", {}, option("", "pictures"), option("baseline", "difference from the baseline"));
    rows.forEach((row, at) => show.append(option(at, `difference from ${row.dataset.label}`)));
    if (!rows.some((row) => row.dataset.baseline && row.dataset.baseline !== row.dataset.label)) show.remove(1);
    const gain = make("select", {}, ...[1, 2, 3, 4, 5, 6, 7, 8].map((times) => option(times, `x${times}`)));
    gain.value = "4";
    const amplified = make("label", {}, "Amplified ", gain);
    amplified.hidden = true;
    tools.append(make("label", {}, "Show ", show), amplified);

    let asked = 0;
    async function update() {
      const mine = ++asked;
      amplified.hidden = !show.value;
      for (const made of figure.querySelectorAll("canvas.difference, small.differs")) made.remove();
      if (!show.value) return;
      for (const row of rows) {
        const other = show.value === "baseline"
          ? rows.find((each) => each.dataset.label === row.dataset.baseline)
          : rows[Number(show.value)];
        for (const cell of row.querySelectorAll("td[data-kind]")) {
          const pair = other && Array.from(other.cells).find((each) => each.dataset.kind === cell.dataset.kind);
          const image = cell.querySelector("img");
          const reference = pair && pair.querySelector("img");
          if (!image || !reference) continue;
          if (other === row) {
            cell.append(make("small", { class: "differs" }, "the reference"));
            continue;
          }
          await Promise.all([image.decode(), reference.decode()]);
          // Another choice was made in the meantime.
          if (mine !== asked) return;
          const { canvas, mean, largest } = difference(image, reference, Number(gain.value));
          const words = `differs by ${mean.toFixed(1)} of 255 on average, by ${largest} at most`;
          canvas.setAttribute("aria-label", `${image.alt}: difference from ${other.dataset.label}, ${words}`);
          image.after(canvas);
          cell.append(make("small", { class: "differs" }, words));
        }
      }
      figure.dataset.shown = show.value;
    }
    show.addEventListener("change", update);
    gain.addEventListener("change", update);
  }

  /** |image - reference| times `gain` on a canvas as large as the image, with its mean and maximum. */
  function difference(image, reference, gain) {
    const width = image.naturalWidth, height = image.naturalHeight;
    const canvas = make("canvas", { class: "difference", role: "img", width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = (source) => {
      context.drawImage(source, 0, 0, width, height);
      return context.getImageData(0, 0, width, height);
    };
    const theirs = pixels(reference).data;
    const ours = pixels(image);
    let sum = 0, largest = 0;
    for (let at = 0; at < theirs.length; at += 1) {
      if (at % 4 === 3) continue;
      const apart = Math.abs(ours.data[at] - theirs[at]);
      sum += apart;
      if (apart > largest) largest = apart;
      ours.data[at] = apart * gain;
    }
    context.putImageData(ours, 0, 0);
    return { canvas, mean: sum / (width * height * 3), largest };
  }

  // ----------------------------------------------------------------- chart

  // As matplotlib's markers in the drawings, in a box of 24 by 24.
  const MARKERS = {
    "o": "M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20z", "s": "M3 3h18v18H3z", "D": "M12 1l11 11-11 11L1 12z",
    "^": "M12 2l11 20H1z", "v": "M12 22L1 2h22z", "P": "M8 1h8v7h7v8h-7v7H8v-7H1V8h7z",
    "X": "M6 1l6 6 6-6 5 5-6 6 6 6-5 5-6-6-6 6-5-5 6-6-6-6z", "h": "M12 1l10 5.5v11L12 23 2 17.5v-11z",
    "<": "M2 12L22 1v22z", ">": "M22 12L2 23V1z",
  };
  const GAP = ["-", "-"];

  /** Round numbers between `low` and `high`, about `count` of them. */
  function niceTicks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const ticks = [];
    for (let at = Math.ceil(low / step); at * step <= high * (1 + 1e-12); at += 1) {
      ticks.push(Number((at * step).toPrecision(12)));
    }
    return ticks;
  }

  function logTicks(low, high, count) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
      for (const digit of [1, 2, 5]) ticks.push(Number((digit * 10 ** power).toPrecision(12)));
    }
    const inside = ticks.filter((each) => each >= low && each <= high);
    if (inside.length < 3) return niceTicks(low, high, count).filter((each) => each > 0);
    return inside.length > 2 * count ? inside.filter((each) => Number.isInteger(Math.log10(each))) : inside;
  }

  function plain(value) {
    return Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4)
      ? value.toExponential(1).replace(".0e", "e")
      : String(Number(value.toPrecision(6)));
  }

  /** Everything that no other one beats; `signs` are 1 where lower is better and -1 where higher is. */
  function paretoFront(points, signs) {
    const beats = (one, other) =>
      signs[0] * one.x <= signs[0] * other.x && signs[1] * one.y <= signs[1] * other.y &&
      (one.x !== other.x || one.y !== other.y);
    return points.filter((point) => !points.some((other) => beats(other, point)));
  }

  function drawExplorer(data) {
    const box = byId("explorer");
    const names = ["x", "y", "size", "group", "x-log", "y-log"];
    const control = Object.fromEntries(names.map((name) => [name, byId(`explorer-${name}`)]));
    const stage = byId("explorer-chart"), card = byId("explorer-card");
    data.measures.forEach((measure, at) => {
      for (const name of ["x", "y", "size"]) control[name].append(option(at, measure.title));
    });
    control.size.prepend(option("", "all equal"));
    control.group.append(option("", "all"), ...data.groups.map((name, at) => option(at, name)));
    control.group.closest("label").hidden = data.groups.length < 2;
    control.x.value = data.x;
    control.y.value = data.y;
    control.size.value = data.size === null ? "" : data.size;
    box.hidden = false;
    root.classList.add("explored-chart");

    const chart = echarts.init(stage, null, { renderer: "canvas" });
    let shown = [], pointSeries = 0, chosen = null;

    const buttons = data.points.map((point, at) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, marker(point), point.label);
      for (const event of ["focus", "mouseenter", "click"]) button.addEventListener(event, () => choose(at));
      byId("explorer-points").append(make("li", {}, button));
      return button;
    });

    function marker(point) {
      const space = "http://www.w3.org/2000/svg";
      const svg = document.createElementNS(space, "svg");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.setAttribute("aria-hidden", "true");
      const path = document.createElementNS(space, "path");
      path.setAttribute("d", MARKERS[point.marker]);
      path.setAttribute("fill", point.colour);
      svg.append(path);
      return svg;
    }

    /** One axis: which measure, how a value is placed on it, its range and its ticks. */
    function axis(name) {
      const measure = Number(control[name].value);
      const told = data.measures[measure];
      const figures = data.points.map((point) => point.figures[measure]).filter(Boolean);
      const allowed = figures.every((figure) => figure.value > 0 && (!figure.interval || figure.interval[0] > 0));
      const switched = control[`${name}-log`];
      switched.disabled = !allowed;
      if (!allowed) switched.checked = false;
      const isLog = switched.checked;
      const to = (value) => (isLog ? Math.log10(value / told.factor) : value / told.factor);
      const from = (placed) => (isLog ? 10 ** placed : placed);
      return { name, measure, told, isLog, to, from };
    }

    function extent(which, points) {
      const placed = points.flatMap((point) => {
        const figure = point.figures[which.measure];
        return [figure.value, ...(figure.interval || [])].map(which.to);
      });
      let low = Math.min(...placed), high = Math.max(...placed);
      const pad = (high - low || Math.abs(high) || 1) * 0.09;
      const fromZero = !which.isLog && low >= 0 && low < 0.35 * high;
      low = fromZero ? 0 : low - pad;
      high += pad;
      const count = which.name === "x" ? Math.max(3, Math.floor(stage.clientWidth / 110)) : 6;
      const ticks = which.isLog
        ? logTicks(which.from(low), which.from(high), count).map(Math.log10)
        : niceTicks(low, high, count);
      return { low, high, ticks };
    }

    function describeAxis(which, range, colour) {
      const arrows = { x: { lower: "← better", higher: "better →" }, y: { lower: "↓ better", higher: "↑ better" } };
      const word = which.told.distance ? "from the baseline" : arrows[which.name][which.told.direction];
      const ticks = { customValues: range.ticks };
      return {
        type: "value", min: range.low, max: range.high,
        name: `${which.told.title}${which.isLog ? ", log" : ""}  (${word})`,
        nameLocation: "middle", nameGap: which.name === "x" ? 30 : 52,
        nameTextStyle: {
          color: colour.ink, fontSize: 13, width: which.name === "x" ? stage.clientWidth - 90 : 330,
          overflow: "truncate",
        },
        axisLabel: { ...ticks, color: colour.ink, fontSize: 12, formatter: (value) => plain(which.from(value)) },
        axisTick: { ...ticks, show: true, lineStyle: { color: colour.muted } },
        axisLine: { show: true, onZero: false, lineStyle: { color: colour.muted } },
        splitLine: { ...ticks, lineStyle: { color: colour.rule } },
      };
    }

    function render() {
      const style = getComputedStyle(root);
      const colour = Object.fromEntries(
        ["ink", "muted", "rule", "paper"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
      const x = axis("x"), y = axis("y");
      const size = control.size.value === "" ? null : Number(control.size.value);
      const group = control.group.value === "" ? null : Number(control.group.value);
      shown = data.points
        .map((point, at) => ({ ...point, at }))
        .filter((point) => (group === null || point.group === group) && point.figures[x.measure] && point.figures[y.measure])
        .map((point) => ({ ...point, x: point.figures[x.measure].value, y: point.figures[y.measure].value }));
      const isShown = new Set(shown.map((point) => point.at));
      buttons.forEach((button, at) => {
        button.classList.toggle("absent", !isShown.has(at));
        button.parentNode.hidden = group !== null && data.points[at].group !== group;
      });
      chart.clear();
      if (!shown.length) {
        stage.setAttribute("aria-label", "No variant has both of these figures.");
        byId("explorer-said").textContent = "No variant has both of these figures.";
        fillTable(x, y, new Set());
        return;
      }
      const ranges = [extent(x, shown), extent(y, shown)];
      const spot = (point) => [x.to(point.x), y.to(point.y)];
      const largest = Math.max(...shown.map((point) => (size !== null && point.figures[size] ? point.figures[size].value : 0)));
      const diameter = (point) => {
        if (size === null) return 15;
        const figure = point.figures[size];
        return figure && figure.value > 0 ? Math.max(8, 40 * Math.sqrt(figure.value / largest)) : 8;
      };
      // A large point must not hide a small one.
      shown.sort((one, other) => diameter(other) - diameter(one) || one.at - other.at);
      const line = (points, more) => ({
        type: "line", data: points, symbol: "none", silent: true, animation: false, emphasis: { disabled: true },
        lineStyle: { color: colour.muted, width: 1.2, ...more }, z: 2,
      });
      const links = shown
        .filter((point) => point.baseline !== null && isShown.has(point.baseline))
        .flatMap((point) => [spot(shown.find((other) => other.at === point.baseline)), spot(point), GAP]);
      const bars = shown.flatMap((point) => {
        const [px, py] = spot(point);
        const xs = point.figures[x.measure].interval, ys = point.figures[y.measure].interval;
        return [
          ...(xs ? [[x.to(xs[0]), py], [x.to(xs[1]), py], GAP] : []),
          ...(ys ? [[px, y.to(ys[0])], [px, y.to(ys[1])], GAP] : []),
        ];
      });
      const signs = [x, y].map((which) => (which.told.direction === "lower" ? 1 : -1));
      const fronts = Array.from(new Set(shown.map((point) => point.group)))
        .map((each) => paretoFront(shown.filter((point) => point.group === each), signs));
      const onFront = new Set(fronts.flat().map((point) => point.at));
      const steps = fronts.map((front) => {
        const sorted = front.map(spot).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        // Each corner is what both of its neighbours beat.
        return sorted.flatMap((each, at) => {
          const next = sorted[at + 1];
          return next ? [each, signs[0] > 0 ? [next[0], each[1]] : [each[0], next[1]]] : [each];
        });
      });
      const series = [
        line(links, { type: "dotted", opacity: 0.75 }),
        line(bars, { width: 1.6, opacity: 0.8 }),
        ...steps.map((step) => line(step, { type: "dashed", width: 1.6, color: colour.ink })),
      ];
      pointSeries = series.length;
      const points = shown.map((point) => ({
        value: spot(point), symbol: `path://${MARKERS[point.marker]}`, symbolSize: diameter(point),
        itemStyle: {
          color: point.colour, opacity: 0.9,
          borderColor: point.isBaseline ? colour.ink : colour.paper, borderWidth: point.isBaseline ? 2.5 : 1,
        },
      }));
      series.push({
        type: "line", data: points, showSymbol: true, showAllSymbol: true, lineStyle: { width: 0, opacity: 0 }, z: 5,
        emphasis: { scale: 1.35, itemStyle: { opacity: 1, borderColor: colour.ink, borderWidth: 2.5 }, lineStyle: { width: 0 } },
      });
      chart.setOption({
        animationDuration: 0, animation: !calm.matches, animationDurationUpdate: 250,
        textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
        grid: { left: 74, right: 26, top: 18, bottom: 52 },
        xAxis: describeAxis(x, ranges[0], colour), yAxis: describeAxis(y, ranges[1], colour), series,
      });
      labelPoints(points, diameter, colour);
      const said = `${y.told.name} against ${x.told.name}, ${shown.length} variants; on the Pareto front: ` +
        data.points.filter((_, at) => onFront.has(at)).map((point) => point.label).join(", ");
      stage.setAttribute("aria-label", said);
      byId("explorer-said").textContent = said + ".";
      fillTable(x, y, onFront);
      if (chosen !== null) highlight(chosen);
    }

    /** Names beside points, where they hide neither a point nor another name. */
    function labelPoints(points, diameter, colour) {
      const pen = document.createElement("canvas").getContext("2d");
      const font = getComputedStyle(document.body).fontFamily;
      pen.font = `12px ${font}`;
      const spots = shown.map((point, at) => {
        const [px, py] = chart.convertToPixel({ seriesIndex: pointSeries }, points[at].value);
        const half = diameter(point) / 2;
        return { px, py, half, left: px - half, right: px + half, top: py - half, bottom: py + half };
      });
      const taken = spots.slice();
      const free = (one) => one.left > 70 && one.right < stage.clientWidth && one.top > 0 && one.bottom < stage.clientHeight - 50 &&
        !taken.some((other) => one.left < other.right && one.right > other.left && one.top < other.bottom && one.bottom > other.top);
      shown.forEach((point, at) => {
        const text = point.label.length > 26 ? `${point.label.slice(0, 25)}…` : point.label;
        const width = pen.measureText(text).width, { px, py, half } = spots[at];
        const gap = half + 5;
        const tries = {
          right: { left: px + gap, right: px + gap + width, top: py - 8, bottom: py + 8 },
          left: { left: px - gap - width, right: px - gap, top: py - 8, bottom: py + 8 },
          top: { left: px - width / 2, right: px + width / 2, top: py - gap - 15, bottom: py - gap },
          bottom: { left: px - width / 2, right: px + width / 2, top: py + gap, bottom: py + gap + 15 },
        };
        // Its own point is no hindrance to a name that stands beside it.
        const place = Object.keys(tries).find((side) => free(tries[side]));
        if (!place) return;
        taken.push(tries[place]);
        points[at].label = {
          show: true, position: place, distance: 5, color: colour.ink, fontSize: 12, fontFamily: font,
          textBorderColor: colour.paper, textBorderWidth: 3,
          // A function, because a name may hold braces, which a template would replace.
          formatter: () => text,
        };
      });
      const series = Array.from({ length: pointSeries + 1 }, () => ({}));
      series[pointSeries] = { data: points };
      chart.setOption({ series });
    }

    function fillTable(x, y, onFront) {
      const head = make("tr", {}, ...["variant", x.told.name, y.told.name, "on the front"].map((text, at) =>
        make("th", { scope: "col", class: at === 1 || at === 2 ? "n" : "" }, text)));
      const planned = shown.slice().sort((one, other) => one.at - other.at);
      const rows = planned.map((point) => make("tr", { class: point.isBaseline ? "baseline" : "line" },
        make("th", { scope: "row" }, point.label),
        make("td", { class: "n" }, point.figures[x.measure].text),
        make("td", { class: "n" }, point.figures[y.measure].text),
        make("td", {}, onFront.has(point.at) ? "yes" : "no")));
      byId("explorer-table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    }

    function highlight(at) {
      const index = shown.findIndex((point) => point.at === at);
      chart.dispatchAction({ type: "downplay", seriesIndex: pointSeries });
      if (index >= 0) chart.dispatchAction({ type: "highlight", seriesIndex: pointSeries, dataIndex: index });
    }

    function choose(at) {
      highlight(at);
      if (chosen === at) return;
      chosen = at;
      const point = data.points[at];
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === at)));
      const title = make("h3", {}, marker(point), point.label);
      const role = point.isBaseline ? ["baseline"] : point.baseline === null ? [] : [`compared with ${data.points[point.baseline].label}`];
      const children = [title, make("p", {}, [...role, ...point.about].join(" · "))];
      const picture = point.picture && byId(point.picture);
      if (picture) children.push(make("img", { src: picture.src, alt: picture.alt }));
      const facts = make("dl");
      data.measures.forEach((measure, index) => {
        const figure = point.figures[index];
        if (figure) facts.append(make("dt", {}, measure.name), make("dd", {}, figure.text));
      });
      card.replaceChildren(...children, facts);
    }

    chart.on("mouseover", { seriesType: "line" }, (event) => {
      if (event.seriesIndex === pointSeries && shown[event.dataIndex]) choose(shown[event.dataIndex].at);
    });
    chart.on("click", (event) => {
      if (event.seriesIndex === pointSeries && shown[event.dataIndex]) choose(shown[event.dataIndex].at);
    });
    for (const each of Object.values(control)) each.addEventListener("change", render);
    dark.addEventListener("change", render);
    let width = stage.clientWidth;
    new ResizeObserver(() => {
      if (stage.clientWidth === width || !stage.clientWidth) return;
      width = stage.clientWidth;
      chart.resize();
      render();
    }).observe(stage);
    render();
    choose(shown.length ? Math.min(...shown.map((point) => point.at)) : 0);
  }

  // ----------------------------------------------------------------- print

  // What is folded on the screen is unfolded on paper.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });

  // ----------------------------------------------------------------- begin

  root.classList.add("scripted");
  document.querySelectorAll("table.data").forEach(enhanceTable);
  document.querySelectorAll("figure.gallery").forEach(enhanceGallery);
  const island = byId("explorer-data");
  if (island) drawExplorer(JSON.parse(island.textContent));
  root.dataset.ready = String(Math.round(performance.now()));
})();
