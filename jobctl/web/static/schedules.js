// The schedules: when they tick, what became of their ticks, and their switches.
import * as api from "/static/api.js";
import { ask, clean, fill, h, say } from "/static/dom.js";
import { badge, duration, local, number, pretty, when } from "/static/format.js";

const AGAIN = 15000; // milliseconds between two looks: ticks come by themselves

const url = (name) => `/admin/schedules/${encodeURIComponent(name)}`;
const path = (name) => `/schedules/${encodeURIComponent(name)}`;
const rule = (one) => (one.every != null ? `every ${duration(one.every)}` : one.cron);

async function act(one, verb, refresh, go) {
  try {
    if (verb === "trigger") {
      const words = h("p", {}, `A job ${clean(one.job)} is made now, beside the ticks.`);
      if (!(await ask(`Trigger ${clean(one.name)}?`, words, "Trigger"))) return;
      const { job_id } = await api.post(`${path(one.name)}/trigger`);
      say(`Job ${job_id} was made.`);
      go(`/admin/jobs/${encodeURIComponent(job_id)}`);
      return;
    }
    await api.post(`${path(one.name)}/${verb}`);
    say(`${one.name} is ${verb === "enable" ? "on" : "off"}.`);
    await refresh();
  } catch (error) {
    say(error.message, "error");
  }
}

function buttons(one, refresh, go) {
  const name = clean(one.name);
  const other = one.enabled ? "disable" : "enable";
  return [
    h("button", { "aria-label": `Trigger ${name}`, onclick: () => act(one, "trigger", refresh, go) }, "Trigger"),
    h("button", { "aria-label": `${other} ${name}`, onclick: () => act(one, other, refresh, go) },
      other === "enable" ? "Enable" : "Disable"),
  ];
}

const state = (one) => badge(one.enabled ? "on" : "off");

export function scheduleList(go) {
  const rows = h("tbody");
  const heads = ["Schedule", "When", "Next", "Last", "Runs", "State", ""];
  const table = h("table", { class: "rows schedules" },
    h("thead", {}, h("tr", {}, heads.map((word) => word ? h("th", { scope: "col", class: word === "Runs" ? "number" : "" }, word) : h("td")))), rows);
  const empty = h("div", { class: "empty", hidden: true },
    h("p", {}, "There are no schedules yet."),
    h("p", {}, "Write one into jobs.toml as ", h("code", {}, "[schedules.NAME]"), ", or in a terminal: ",
      h("code", {}, "jobctl schedule add NAME '0 3 * * *' JOB")));
  const element = h("section", {}, h("div", { class: "head" }, h("h1", {}, "Schedules")),
    h("div", { class: "scroll" }, table), empty);

  async function refresh() {
    const { schedules } = await api.json("/schedules");
    const focused = document.activeElement?.getAttribute("aria-label");
    fill(rows, schedules.map((one) =>
      h("tr", {},
        h("td", { class: "name" }, h("a", { href: url(one.name) }, clean(one.name)), h("span", { class: "hint" }, clean(one.job))),
        h("td", {}, h("code", {}, clean(rule(one))), h("span", { class: "hint" }, clean(one.timezone))),
        h("td", { "data-label": "Next" }, when(one.next_run) || h("span", { class: "hint" }, "never")),
        h("td", { "data-label": "Last" }, one.last_run ? when(one.last_run) : h("span", { class: "hint" }, "not yet"), one.last_outcome && badge(one.last_outcome)),
        h("td", { class: "number" }, number(one.run_count)),
        h("td", { class: "state" }, state(one)),
        h("td", { class: "actions" }, buttons(one, refresh, go)))));
    if (focused) rows.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
    table.hidden = !schedules.length;
    empty.hidden = schedules.length > 0;
  }

  return { title: "Schedules", element, refresh, every: () => AGAIN };
}

export function schedule(go, name) {
  const head = h("div", { class: "head" });
  const body = h("div");
  const element = h("section", {}, h("p", { class: "crumb" }, h("a", { href: "/admin/schedules" }, "Schedules")), head, body);

  async function refresh() {
    const [one, history, plan] = await Promise.all([
      api.json(path(name)), api.json(`${path(name)}/history?limit=50`), api.json(`${path(name)}/next?limit=10`),
    ]);
    const focused = document.activeElement?.getAttribute("aria-label");
    fill(head, h("h1", {}, clean(one.name), " ", state(one)), buttons(one, refresh, go));
    fill(body, facts(one), h("div", { class: "columns" }, coming(one, plan.ticks), past(one, history.ticks)),
      h("section", { class: "block" }, h("h2", {}, "Data"), h("pre", { tabIndex: 0, "aria-label": "Data" }, pretty(one.data))));
    if (focused) head.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }

  return {
    title: clean(name), element, refresh, every: () => AGAIN,
    fail(error) {
      fill(head, h("h1", {}, clean(name)));
      fill(body, h("p", { class: "empty" }, clean(error.message)));
    },
  };
}

function facts(one) {
  const rows = [
    ["Job", clean(one.job)], ["When", h("code", {}, clean(rule(one)))], ["Zone", clean(one.timezone)],
    ["Next", one.next_run && [local(one.next_run, one.timezone), " (", when(one.next_run), ")"]],
    ["Last", one.last_run && [local(one.last_run, one.timezone), " (", when(one.last_run), ") ", one.last_outcome && badge(one.last_outcome)]],
    ["Runs", number(one.run_count)], ["Overlap", one.overlap], ["Catch up", `${one.catch_up}, within ${duration(one.catch_up_window)}`],
    ["Jitter", one.jitter ? duration(one.jitter) : null], ["Expected within", one.expect_within && duration(one.expect_within)],
    ["Priority", one.priority || null], ["Max retries", one.max_retries],
    ["From", one.start && local(one.start, one.timezone)], ["Until", one.end && local(one.end, one.timezone)],
    ["Written in", one.source && clean(one.source)],
  ];
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value != null && value !== "")
    .map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, ...[value].flat()))));
}

function coming(one, ticks) {
  return h("section", { class: "block" }, h("h2", {}, "Next ticks"),
    !one.enabled && h("p", { class: "hint" }, "It is off: these come when it is on."),
    ticks.length
      ? h("ol", { class: "ticks" }, ticks.map((tick) =>
          h("li", {}, h("span", { class: "local" }, tick.local.slice(0, 19).replace("T", " ")),
            h("span", { class: "hint" }, tick.local.slice(19).replace("Z", "+00:00")), when(tick.at), tick.note && h("em", {}, clean(tick.note)))))
      : h("p", { class: "empty" }, "No tick is to come."));
}

function past(one, ticks) {
  return h("section", { class: "block" }, h("h2", {}, "History"),
    ticks.length
      ? h("ol", { class: "ticks" }, ticks.map((tick) =>
          h("li", {}, h("span", { class: "local" }, local(tick.at, one.timezone)), badge(tick.outcome, tick.count > 1 ? `${number(tick.count)} times` : ""),
            tick.job_id && h("a", { href: `/admin/jobs/${encodeURIComponent(tick.job_id)}` }, "job"),
            tick.reason && h("em", {}, clean(tick.reason)))))
      : h("p", { class: "empty" }, "No tick has come yet."));
}
