// One series over time as SVG: a line through the readings, or a band from minimum to maximum where they are folded.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 760, HEIGHT = 250, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 30;

function make(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Round numbers that cut [low, high] into about `count` parts.
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  const out = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) out.push(Number(at.toPrecision(12)));
  return out;
}

const SPANS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 10080, 20160].map((n) => n * 60_000);

function timeTicks(from, to) {
  const step = SPANS_MS.find((span) => (to - from) / span <= 7) ?? (to - from) / 7;
  // Aligned to local midnight, as the labels are.
  const shift = new Date(from).getTimezoneOffset() * 60_000;
  const out = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) out.push(at);
  return { step, at: out };
}

function timeLabel(ms, step) {
  const time = new Date(ms);
  const day = time.toLocaleDateString([], { month: "short", day: "numeric" });
  const clock = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (step >= 86_400_000) return day;
  return time.getHours() + time.getMinutes() === 0 ? day : clock;
}

function pointsOf(series) {
  return series.points.map((point) => ({
    id: point.reading_id,
    at: Date.parse(point.time),
    low: point.min ?? point.value,
    mid: point.mean ?? point.value,
    high: point.max ?? point.value,
  })).filter((point) => typeof point.mid === "number");
}

// A gap much longer than usual is drawn as one: a line across it would claim what nobody measured.
function pieces(points) {
  const gaps = points.slice(1).map((point, i) => point.at - points[i].at).sort((a, b) => a - b);
  const usual = gaps[Math.floor(gaps.length / 2)] ?? 0;
  const out = [];
  points.forEach((point, i) => {
    if (i === 0 || point.at - points[i - 1].at > Math.max(usual * 4, 1000)) out.push([]);
    out.at(-1).push(point);
  });
  return out;
}

// `proof`: ids of the readings that are the evidence. `episode`: { from, to } in ms.
export function chart(series, from, to, { proof, episode }) {
  const points = pointsOf(series);
  const name = series.measure.replaceAll("_", " ");
  const svg = make("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  if (points.length === 0) {
    svg.append(make("text", { x: LEFT, y: HEIGHT / 2 }, "no readings with a value in this time"));
    return svg;
  }
  let low = Math.min(...points.map((p) => p.low)), high = Math.max(...points.map((p) => p.high));
  if (low === high) [low, high] = [low - 1, high + 1];
  const margin = (high - low) * 0.08;
  [low, high] = [low - margin, high + margin];
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);

  const label = `${name}, ${points.length} points from ${points[0].mid} to ${points.at(-1).mid} ${series.unit}, ` +
    `lowest ${Math.min(...points.map((p) => p.low))}, highest ${Math.max(...points.map((p) => p.high))}`;
  svg.append(make("title", {}, label));
  if (episode) {
    const [begin, end] = [Math.max(episode.from, from), Math.min(episode.to, to)];
    const width = Math.max(x(end) - x(begin), 2);
    svg.append(make("rect", { class: "episode", x: x(begin), y: TOP, width, height: HEIGHT - TOP - BOTTOM }));
  }
  for (const value of ticks(low, high, 5)) {
    svg.append(make("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(make("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value));
  }
  const { step, at } = timeTicks(from, to);
  for (const time of at) {
    svg.append(make("line", { class: "axis", x1: x(time), x2: x(time), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }));
    svg.append(make("text", { x: x(time), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, timeLabel(time, step)));
  }
  svg.append(make("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));

  for (const piece of pieces(points)) {
    if (series.resolution_ms !== null) {
      const upper = piece.map((p) => `${x(p.at)},${y(p.high)}`), lower = piece.map((p) => `${x(p.at)},${y(p.low)}`);
      svg.append(make("polygon", { class: "band", points: [...upper, ...lower.reverse()].join(" ") }));
    }
    svg.append(make("polyline", { class: "line", points: piece.map((p) => `${x(p.at)},${y(p.mid)}`).join(" ") }));
  }
  if (points.length <= 150) {
    for (const p of points) svg.append(make("circle", { class: "dot", cx: x(p.at), cy: y(p.mid), r: 2.5 }));
  }
  for (const p of points.filter((point) => proof.has(point.id))) {
    svg.append(make("circle", { class: "proof", cx: x(p.at), cy: y(p.mid), r: 4.5 }));
  }
  return svg;
}
