// How things are said: times, durations, sizes, numbers.
import { h, clean } from "/static/dom.js";

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** Return seconds as people write them: 350ms, 12s, 4m10s, 3d. */
export function duration(seconds) {
  if (seconds == null) return "";
  if (seconds < 0.001) return "<1ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10}s`;
  let left = Math.round(seconds);
  const parts = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join("");
}

/** Return how far off a moment is: 3m ago, in 2h30m, just now. */
function relative(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (Math.abs(seconds) < 1) return "just now";
  const length = duration(Math.max(1, Math.round(Math.abs(seconds))));
  return seconds > 0 ? `in ${length}` : `${length} ago`;
}

/** Return a moment in the time of whoever looks, or in a zone. */
export function local(iso, zone) {
  if (!iso) return "";
  const parts = { dateStyle: "short", timeStyle: "medium", timeZone: zone };
  return new Intl.DateTimeFormat("sv-SE", parts).format(new Date(iso)); // as ISO 8601 has it
}

/** Return an element that says how far off a moment is, and goes on saying it. */
export function when(iso) {
  if (!iso) return "";
  return h("time", { dateTime: iso, title: local(iso) }, relative(iso));
}

/** Return an element that says for how long something has gone on, and goes on saying it. */
export function lasting(iso) {
  if (!iso) return "";
  return h("time", { dateTime: iso, title: `since ${local(iso)}`, "data-lasting": true }, passed(iso));
}

function passed(iso) {
  return duration(Math.max(1, Math.round((Date.now() - Date.parse(iso)) / 1000)));
}

/** Let all such elements say what is right now. */
export function tick() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = "lasting" in time.dataset ? passed(time.dateTime) : relative(time.dateTime);
  }
}

export function size(bytes) {
  if (bytes == null) return "";
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

export function number(count) {
  return count.toLocaleString("en");
}

export function jobs(count) {
  return `${number(count)} ${count === 1 ? "job" : "jobs"}`;
}

/** Return JSON laid out for people; it holds no character that could mislead. */
export function pretty(value) {
  return clean(JSON.stringify(value, null, 2), { lines: true });
}

/** Return a status by colour and by word. */
export function badge(word, more = "") {
  return h("span", { class: `badge ${word}` }, more ? `${word}, ${more}` : word);
}

/** Return what stands beside a status in a list. */
export function remark(job) {
  const error = job.error && clean(`${job.error.type}: ${job.error.message.split("\n")[0]}`);
  const ahead = job.run_at && Date.parse(job.run_at) > Date.now();
  if (job.status === "pending") {
    if (job.attempts) return ["to be retried", ahead && [" ", when(job.run_at)], error && `: ${error}`];
    return ahead ? ["scheduled ", when(job.run_at)] : job.after.length ? "waits for others" : "";
  }
  if (job.status === "running") return [progress(job.progress), h("span", { class: "together" }, "began ", when(job.started_at))];
  if (job.status === "completed") return took(job) && `took ${took(job)}`;
  return error || "";
}

export function took(run) {
  if (!run.started_at || !run.finished_at) return "";
  return duration((Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000);
}

/** Return a bar of how far a running job has come, nothing if it has not said. */
export function progress(told) {
  if (!told || typeof told !== "object") return null;
  const { done, total, note } = told;
  const words = [total ? `${done} of ${total}` : done, note].filter((word) => word != null);
  return h(
    "span",
    { class: "progress" },
    total > 0 && h("progress", { value: done, max: total, "aria-label": "progress" }),
    h("span", {}, clean(words.join(", "))),
  );
}
