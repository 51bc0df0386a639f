// How it is: what runs and waits, who runs it, and what became of the jobs of late.
import * as api from "/static/api.js";
import { ask, clean, fill, h, refill, say } from "/static/dom.js";
import { duration, lasting, number, progress, when } from "/static/format.js";
import { bars, legend, lines } from "/static/plot.js";

const STATUSES = ["pending", "running", "completed", "failed", "cancelled"];
const SPANS = [["hour", "Hour"], ["day", "Day"], ["week", "Week"]];
const AGAIN = 10000; // milliseconds between two looks when nothing seems to happen
const LEAST = 2000; // and between two when much does

export function overview(go) {
  let span = sessionStorage.getItem("jobctl-span") ?? "hour";
  let name = ""; // all of them
  let plot = null;

  const tiles = h("nav", { class: "tiles", "aria-label": "Jobs by status" });
  const signs = h("ul", { class: "signs" });
  const spans = h("div", { class: "spans", role: "group", "aria-label": "Time" });
  const choice = h("select", { "aria-label": "Name", onchange: () => { name = choice.value; draw(); } });
  const ended = h("div", { class: "figure" });
  const took = h("div", { class: "figure" });
  const names = h("div", { class: "scroll" });
  const running = h("div");
  const all = h("button", { onclick: () => rest(null) }, "Pause all");
  let paused = []; // names, and null for all jobs

  const element = h("section", {}, h("div", { class: "head" }, h("h1", {}, "Overview"), all), tiles, signs,
    h("section", { class: "block" },
      h("div", { class: "head" }, h("h2", {}, "Activity"), choice, spans),
      h("div", { class: "columns" }, ended, took), names),
    h("section", { class: "block" }, h("h2", {}, "Running now"), running));

  function drawSpans() {
    fill(spans, SPANS.map(([key, word]) =>
      h("button", {
        "aria-pressed": String(span === key),
        onclick: async () => {
          span = key;
          sessionStorage.setItem("jobctl-span", key);
          drawSpans();
          await look();
        },
      }, word)));
  }

  async function look() {
    plot = await api.json(`/figures?range=${span}`);
    draw();
  }

  function draw() {
    const known = plot.names.map((one) => one.name);
    if (name && !known.includes(name)) name = "";
    if (choice.dataset.known !== JSON.stringify(known)) {
      choice.dataset.known = JSON.stringify(known);
      fill(choice, h("option", { value: "" }, "All names"), known.map((one) => h("option", { value: one }, clean(one))));
    }
    choice.value = name;
    choice.hidden = known.length < 2;
    const one = plot.names.find((series) => series.name === name) ?? plot.all;
    const counts = [["completed", "completed", one.completed], ["retried", "to be retried", one.retried], ["failed", "dead", one.failed]];
    const times = [["p95", "p95", one.p95], ["p50", "p50 (median)", one.p50]];
    for (const plots of [ended, took]) plots.hidden = !plot.names.length;
    fill(ended, h("h3", {}, "Attempts by how they ended"), legend(counts), bars(ended.clientWidth || 320, plot, counts));
    fill(took, h("h3", {}, "Durations of those that completed"), legend(times), lines(took.clientWidth || 320, plot, times));
    refill(names, plot.names.length ? table(plot.names, (one) => pauseButton(one.name)) : h("p", { class: "empty" }, `Nothing has run in the last ${span}.`));
  }

  function pauseButton(whose) {
    const rests = paused.includes(whose);
    const label = `${rests ? "Resume" : "Pause"} ${clean(whose)}`;
    return h("button", { class: "small", "aria-label": label, onclick: () => (rests ? goOn(whose) : rest(whose)) },
      rests ? "Resume" : "Pause");
  }

  async function rest(whose) {
    const what = whose == null ? "all jobs" : `jobs named ${clean(whose)}`;
    const words = h("p", {}, "Those that run go on to their end; none begins before you resume them. Schedules go on adding theirs.");
    if (await ask(`Pause ${what}?`, words, "Pause")) await change("/pause", whose, `${what} paused`);
  }

  function goOn(whose) {
    return change("/resume", whose, `${whose == null ? "all jobs" : `jobs named ${clean(whose)}`} resumed`);
  }

  async function change(path, whose, done) {
    try {
      await api.post(path, { name: whose });
      say(done);
    } catch (error) {
      say(error.message, "error");
    }
    await refresh();
  }

  async function refresh() {
    const [now] = await Promise.all([
      api.json("/overview").then((found) => {
        paused = found.paused.map((one) => one.name);
        return found;
      }),
      look(),
    ]);
    all.hidden = paused.includes(null);
    draw();
    fill(tiles, STATUSES.map((status) =>
      h("a", { href: `/admin/jobs?status=${status}`, class: `tile ${status} ${now.counts[status] ? "" : "none"}` },
        h("span", { class: "figure-number" }, number(now.counts[status])), " ", h("span", {}, status))));
    refill(signs, ...said(now, goOn));
    fill(running, now.running.length ? runs(now) : h("p", { class: "empty" }, "No job runs now."));
  }

  drawSpans();
  const redraw = () => plot && draw();
  addEventListener("resize", redraw);
  return {
    title: "Overview", element, refresh, least: LEAST, every: () => AGAIN,
    close: () => removeEventListener("resize", redraw),
  };
}

function said(now, goOn) {
  const signs = [];
  const sign = (kind, ...words) => signs.push(h("li", { class: kind }, ...words));
  const daemon = now.daemon;
  if (!daemon) sign("bad", "No daemon runs, so no job does: start ", h("code", {}, "jobctl run"), ".");
  else if (!daemon.moving) sign("bad", `The daemon (process ${daemon.pid}) does not answer: it is starting, stuck or stopped.`);
  else {
    const places = daemon.concurrency && `, with ${number(now.running.length)} of ${number(daemon.concurrency)} places taken`;
    const state = daemon.state ? ["has been ", daemon.state, " for ", lasting(daemon.since)] : ["runs"];
    sign("good", `The daemon (process ${daemon.pid}) `, ...state, `${places ?? ""}.`);
  }
  for (const trouble of Object.values(daemon?.troubles ?? {})) sign("bad", clean(trouble));
  if (now.oldest) {
    sign("", "Due for longest: ", h("a", { href: `/admin/jobs/${encodeURIComponent(now.oldest.id)}` }, clean(now.oldest.name)), ", due ", when(now.oldest.since), ".");
  } else if (now.counts.pending) sign("", "Nothing is due: what is pending waits for its time, for others, or is paused.");
  for (const pause of now.paused) {
    const [who, whom] = pause.name == null ? ["All jobs", "all"] : [`Jobs named ${clean(pause.name)}`, clean(pause.name)];
    sign("warn", `${who} have been paused for `, lasting(pause.since), ". ",
      h("button", { class: "small", "aria-label": `Resume ${whom}`, onclick: () => goOn(pause.name) }, "Resume"));
  }
  if (!now.counts.total) sign("", "There are no jobs yet. ", h("a", { href: "/admin/add" }, "Add one"), ".");
  signs.push(h("li", { class: "quiet" }, clean(now.store), ` · jobctl ${clean(now.version)}`));
  return signs;
}

function table(series, action) {
  const heads = ["Name", "Completed", "Retried", "Dead", "p50", "p95", ""];
  const cell = (label, text, kind = "") => h("td", { class: `number ${kind}`, "data-label": label }, text);
  return h("table", { class: "rows stacked" },
    h("thead", {}, h("tr", {}, heads.map((word, n) => h("th", { scope: "col", class: n ? "number" : "" }, word)))),
    h("tbody", {}, series.map((one) => h("tr", {},
      h("td", { class: "whole" }, h("a", { href: `/admin/jobs?filter=${encodeURIComponent(`name:${one.name}`)}` }, clean(one.name))),
      cell("Completed", number(one.total_completed)),
      cell("Retried", one.total_retried ? number(one.total_retried) : ""),
      cell("Dead", one.total_failed ? number(one.total_failed) : "", "failed"),
      cell("p50", duration(one.total_p50)),
      cell("p95", duration(one.total_p95)),
      h("td", { class: "number" }, action(one))))));
}

function runs(now) {
  return h("div", { class: "scroll" }, h("table", { class: "rows stacked running" },
    h("thead", {}, h("tr", {}, ["Job", "Name", "Worker", "Running for", "Progress"].map((word) =>
      h("th", { scope: "col", class: ["Worker", "Running for"].includes(word) ? "number" : "" }, word)))),
    h("tbody", {}, now.running.map((job) => h("tr", {},
      h("td", {}, h("a", { class: "id", href: `/admin/jobs/${encodeURIComponent(job.id)}` }, clean(job.id))),
      h("td", { class: "name" }, clean(job.name)),
      h("td", { class: "number", "data-label": "Worker" }, now.workers[job.id] ?? ""),
      h("td", { class: "number", "data-label": "For" }, lasting(job.started_at)),
      h("td", { class: "whole" }, progress(job.progress)))))));
}
