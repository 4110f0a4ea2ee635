// The chart of trade-offs: any measure against any other.

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
