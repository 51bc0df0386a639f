// Two plots: how many attempts ended in each slot of time, and how long they took.
import { h, svg } from "/static/dom.js";
import { duration, number } from "/static/format.js";

const HEIGHT = 132;
const PAD = { left: 52, right: 8, top: 10, bottom: 20 };

/** Return bars, stacked: `layers` are [class, word, counts]. */
export function bars(width, plot, layers) {
  const totals = layers[0][2].map((_, n) => layers.reduce((sum, [, , counts]) => sum + counts[n], 0));
  const top = round(Math.max(1, ...totals));
  const frame = frameOf(width, plot, totals.length, top, number);
  const step = frame.step;
  const shown = totals.map((total, n) => {
    if (!total) return null;
    let under = 0;
    const words = layers.filter(([, , counts]) => counts[n]).map(([, word, counts]) => `${number(counts[n])} ${word}`);
    return svg("g", {}, svg("title", {}, `${slot(plot, n)}: ${words.join(", ")}`),
      layers.map(([kind, , counts]) => {
        if (!counts[n]) return null;
        const height = Math.max(1, frame.height(counts[n]));
        under += height;
        return svg("rect", { class: kind, x: frame.x(n) + step * 0.1, y: PAD.top + frame.room - under, width: Math.max(1, step * 0.8), height });
      }));
  });
  return figure(frame, shown, `${number(totals.reduce((a, b) => a + b, 0))} attempts ended`);
}

/** Return lines: `layers` are [class, word, seconds or null]. */
export function lines(width, plot, layers) {
  const all = layers.flatMap(([, , values]) => values.filter((value) => value != null));
  const top = round(Math.max(0.001, ...all));
  const frame = frameOf(width, plot, layers[0][2].length, top, duration);
  const shown = layers.map(([kind, , values]) => {
    const parts = [];
    let open = false;
    values.forEach((value, n) => {
      if (value == null) open = false;
      else {
        parts.push(`${open ? "L" : "M"}${(frame.x(n) + frame.step / 2).toFixed(1)} ${frame.y(value).toFixed(1)}`);
        open = true;
      }
    });
    return [svg("path", { class: `line ${kind}`, d: parts.join("") }),
      values.map((value, n) => value != null &&
        svg("circle", { class: kind, cx: frame.x(n) + frame.step / 2, cy: frame.y(value), r: 2 },
          svg("title", {}, `${slot(plot, n)}: ${layers.map(([, word, of]) => `${word} ${duration(of[n])}`).join(", ")}`)))];
  });
  return figure(frame, shown, all.length ? `at most ${duration(Math.max(...all))}` : "nothing completed");
}

export function legend(layers) {
  return h("p", { class: "legend" }, layers.map(([kind, word]) => h("span", { class: kind }, word)));
}

function frameOf(width, plot, count, top, say) {
  const room = HEIGHT - PAD.top - PAD.bottom;
  const step = (width - PAD.left - PAD.right) / count;
  const x = (n) => PAD.left + n * step;
  const height = (value) => (value / top) * room;
  const y = (value) => PAD.top + room - height(value);
  const marks = [0, top / 2, top].filter((value) => say === duration || Number.isInteger(value));
  const grid = marks.map((value) => [
    svg("line", { class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }),
    svg("text", { x: PAD.left - 6, y: y(value) + 4, "text-anchor": "end" }, value ? say(value) : "0"),
  ]);
  const times = [[0, "start"], [Math.floor(count / 2), "middle"], [count, "end"]].map(([n, anchor]) =>
    svg("text", { x: x(n), y: HEIGHT - 4, "text-anchor": anchor }, n === count ? "now" : moment(plot, n)));
  return { width, room, step, x, y, height, back: [grid, times] };
}

function figure(frame, shown, words) {
  return svg("svg", { class: "plot", width: frame.width, height: HEIGHT, viewBox: `0 0 ${frame.width} ${HEIGHT}`, role: "img", "aria-label": words }, frame.back, shown);
}

/** Return a number with one digit that counts, not below `value`: the end of an axis. */
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((n) => n * unit).find((n) => n >= value);
}

function at(plot, n) {
  return new Date(Date.parse(plot.start) + n * plot.step * 1000);
}

function moment(plot, n) {
  const day = { weekday: "short", day: "numeric", month: "short" };
  return plot.range === "week"
    ? at(plot, n).toLocaleDateString("en", day)
    : at(plot, n).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
}

function slot(plot, n) {
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
  const day = plot.range === "hour" ? "" : `${at(plot, n).toLocaleDateString("en", { weekday: "short" })} `;
  return `${day}${at(plot, n).toLocaleTimeString("en", clock)} to ${at(plot, n + 1).toLocaleTimeString("en", clock)}`;
}
