// Ticks, markers and the Pareto front of the chart of trade-offs.

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
