// One job: its fields, its attempts, its log as it grows, and what can be done to it.
import * as api from "/static/api.js";
import { ask, clean, fill, h, say } from "/static/dom.js";
import { badge, duration, local, pretty, progress, size, took, when } from "/static/format.js";

const ENDED = ["completed", "failed", "cancelled"];
const LIVE = 1000; // milliseconds between two looks at a job that runs

export function job(go, id) {
  const path = `/jobs/${encodeURIComponent(id)}`;
  const head = h("div", { class: "head" });
  const body = h("div");
  const reasons = h("ul", { class: "reasons", "aria-label": "Why" });
  const log = logView(path);
  let known = null;

  const element = h("section", { class: "job" },
    h("p", { class: "crumb" }, h("a", { href: "/admin/jobs" }, "Jobs")),
    head, body, log.element);

  async function act(verb) {
    try {
      if (verb === "delete") {
        const words = h("p", {}, `${clean(id)} and its log are removed for good.`);
        if (!(await ask("Delete this job?", words, "Delete", { danger: true }))) return;
        await api.json(path, { method: "DELETE" });
        say("The job was deleted.");
        go("/admin/jobs");
        return;
      }
      await api.post(`${path}/${verb}`);
      say(verb === "retry" ? "The job is pending again." : "The job was told to end.");
      await refresh();
    } catch (error) {
      say(error.message, "error");
    }
  }

  function button(verb, fits, kind = "") {
    return fits && h("button", { class: kind, onclick: () => act(verb) }, verb[0].toUpperCase() + verb.slice(1));
  }

  async function refresh() {
    const [found, why] = await Promise.all([api.json(path), api.json(`${path}/explain`)]);
    const same = JSON.stringify(found) === JSON.stringify(known);
    known = found;
    if (!same) draw(found);
    explain(why);
    await log.refresh();
  }

  /** Say why it waits, or what it is at; how it ended stands below. */
  function explain(why) {
    const ended = ENDED.includes(why.status);
    const lines = [...why.reasons, ...why.about].map((one) => one.message);
    fill(reasons, ended ? null : lines.map((line) => h("li", {}, clean(line))));
    reasons.hidden = ended;
  }

  function draw(found) {
    const ended = ENDED.includes(found.status);
    fill(head,
      h("h1", {}, clean(found.name), " ", badge(found.status)),
      button("retry", ["failed", "cancelled"].includes(found.status), "primary"),
      button("cancel", !ended),
      button("delete", found.status !== "running", "danger"));
    const open = [...body.querySelectorAll("details[open]")].map((item) => item.dataset.key);
    fill(body,
      h("p", { class: "id" }, clean(found.id)),
      reasons,
      found.status === "running" && progress(found.progress),
      found.error && failure(found),
      facts(found),
      block("Data", found.data), found.shell && block("Command", found.shell),
      found.result != null && block("Result", found.result),
      found.history.length > 0 && attempts(found.history));
    for (const item of body.querySelectorAll("details")) {
      if (open.includes(item.dataset.key)) item.open = true;
    }
  }

  return {
    title: clean(id),
    element,
    refresh,
    // What a job that waits waits for may be anything.
    concerns: (ids) => known?.status === "pending" || ids.includes(id),
    every: () => (known?.status === "running" ? LIVE : Infinity),
    fail(error) {
      if (error.status !== 404) return say(error.message, "error");
      known = null;
      fill(head, h("h1", {}, clean(id)));
      fill(body, h("p", { class: "empty" }, "There is no job of this id (any more). ", h("a", { href: "/admin/jobs" }, "All jobs")));
      log.element.hidden = true;
    },
  };
}

function failure(found) {
  return h("div", { class: "failure" },
    h("p", {}, h("strong", {}, clean(found.error.type)), `: ${clean(found.error.message)}`),
    found.error.traceback && h("pre", { tabIndex: 0, "aria-label": "Traceback" }, clean(found.error.traceback, { lines: true })));
}

function facts(found) {
  const link = (href, text) => h("a", { href }, clean(text));
  const moment = (iso) => iso && [local(iso), " (", when(iso), ")"];
  const rows = [
    ["Added", moment(found.created_at)],
    ["Runs at", found.status === "pending" && moment(found.run_at)],
    ["Started", moment(found.started_at)],
    ["Ended", moment(found.finished_at)],
    ["Took", found.finished_at && took(found)],
    ["Attempts", found.max_retries == null ? found.attempts || "none yet" : `${found.attempts} of at most ${found.max_retries + 1}`],
    ["Priority", found.priority || null],
    ["Timeout", found.timeout && duration(found.timeout)],
    ["Backoff", found.backoff && pretty(found.backoff).replace(/\s+/g, " ")],
    ["Tags", found.tags.map((tag) => clean(tag)).join(", ")],
    ["Key", found.concurrency_key && clean(found.concurrency_key)],
    ["Schedule", found.schedule && link(`/admin/schedules/${encodeURIComponent(found.schedule)}`, found.schedule)],
    ["After", found.after.map((one) => [link(`/admin/jobs/${encodeURIComponent(one)}`, one), " "])],
  ];
  return h("dl", { class: "facts" },
    rows.filter(([, value]) => value != null && value !== "" && value !== false && value.length !== 0)
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...[value].flat(Infinity)))));
}

function block(title, value) {
  return h("section", { class: "block" }, h("h2", {}, title), h("pre", { tabIndex: 0, "aria-label": title }, pretty(value)));
}

function attempts(history) {
  const rows = history.map((one, n) => {
    const more = [
      one.error?.traceback && h("pre", { tabIndex: 0, "aria-label": "Traceback" }, clean(one.error.traceback, { lines: true })),
      one.log_tail && [h("p", { class: "hint" }, "The end of its log:"), h("pre", { tabIndex: 0, "aria-label": "End of its log" }, clean(one.log_tail.join("\n"), { lines: true }))],
    ].flat().filter(Boolean);
    const error = one.error ? `${clean(one.error.type)}: ${clean(one.error.message)}` : "";
    const exit = one.exit ? one.exit.signal ?? `exit code ${one.exit.code}` : "";
    return h("tr", {},
      h("td", { class: "status" }, badge(one.outcome)),
      h("td", {}, when(one.started_at)),
      h("td", { class: "number", "data-label": "Took" }, took(one)),
      h("td", { class: "number", "data-label": "Memory" }, size(one.max_rss)),
      h("td", { class: "number", "data-label": "CPU" }, duration(one.cpu_seconds)),
      h("td", { "data-label": "Worker" }, clean(one.worker ?? "")),
      h("td", {}, exit),
      h("td", { class: "note whole" }, more.length
        ? h("details", { "data-key": String(n) }, h("summary", {}, error || "more"), ...more)
        : error));
  });
  const heads = ["Outcome", "Started", "Took", "Memory", "CPU", "Worker", "Exit", "Error"];
  return h("section", { class: "block" }, h("h2", {}, "Attempts"),
    h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Attempts" },
      h("table", { class: "rows stacked" },
        h("thead", {}, h("tr", {}, heads.map((word) => h("th", { scope: "col", class: ["Took", "Memory", "CPU"].includes(word) ? "number" : "" }, word)))),
        h("tbody", {}, rows))));
}

/** The log: read from where it was read to, and anew if it has been shortened. */
function logView(path) {
  const text = h("pre", { class: "log", tabIndex: 0, "aria-label": "Log" });
  const element = h("section", { class: "block" }, h("h2", {}, "Log"), text);
  let read = 0;
  let decoder = new TextDecoder();

  function draw(part, anew) {
    const follows = text.scrollTop + text.clientHeight >= text.scrollHeight - 20;
    const words = clean(part, { lines: true });
    anew ? fill(text, words) : text.append(words);
    element.hidden = !text.textContent;
    if (follows) text.scrollTop = text.scrollHeight;
  }

  return {
    element,
    async refresh() {
      // From one byte before the end: a range without any byte would be an error.
      const from = Math.max(0, read - 1);
      let response;
      try {
        response = await api.request(`${path}/log`, from ? { headers: { Range: `bytes=${from}-` } } : {});
      } catch (error) {
        if (error.status !== 416) throw error;
        read = 0; // its middle was taken out meanwhile
        return this.refresh();
      }
      let bytes = new Uint8Array(await response.arrayBuffer());
      const anew = response.status !== 206;
      if (anew) {
        decoder = new TextDecoder();
        read = 0;
      } else bytes = bytes.subarray(1);
      read += bytes.length;
      if (anew || bytes.length) draw(decoder.decode(bytes, { stream: true }), anew);
    },
  };
}
