// All jobs: by status, name and filter, page by page, and what can be done to several.
import * as api from "/static/api.js";
import { ask, clean, fill, h, refill, say } from "/static/dom.js";
import { badge, jobs as countOf, number, remark, when } from "/static/format.js";

const STATUSES = ["pending", "running", "completed", "failed", "cancelled"];
const LIMIT = 50;
const DONE = { retry: "retried", cancel: "cancelled", delete: "deleted" };

export function jobList(go) {
  const query = new URLSearchParams(location.search);
  const wanted = {
    status: query.get("status") ?? "",
    filter: query.get("filter") ?? "",
    cursor: query.get("cursor") ?? "",
  };
  const before = []; // the cursors of the pages before this one
  const selected = new Set();
  let shown = [];
  let next = null;
  let total = 0; // of all jobs
  let refused = false; // whether the filter is wrong
  let deep = false; // whether one look was not enough: the rows then stay as they were found
  let looking = null; // the search that is going on

  const tabs = h("nav", { class: "tabs", "aria-label": "Status" });
  const filter = h("input", {
    type: "search", id: "filter", value: wanted.filter, spellcheck: false, autocomplete: "off",
    placeholder: "name:send-* age>2h error~timeout", "aria-describedby": "filter-fault",
  });
  const fault = h("p", { class: "fault", id: "filter-fault" });
  const actions = h("div", { class: "bulk", role: "toolbar", "aria-label": "Selected jobs" });
  const every = h("input", { type: "checkbox", "aria-label": "Select all on this page", onchange: selectPage });
  const rows = h("tbody");
  const table = h(
    "table",
    { class: "rows jobs" },
    h("thead", {}, h("tr", {},
      h("th", { class: "check", scope: "col" }, every),
      ...["Job", "Name", "Status", "Attempts", "Added", "Note"].map((word) =>
        h("th", { scope: "col", class: word.toLowerCase() }, word)))),
    rows,
  );
  const empty = h("div", { class: "empty" });
  const newer = h("button", { onclick: goBack }, "Newer");
  const older = h("button", { onclick: goOn }, "Older");
  const where = h("span", { class: "where", role: "status" });
  const search = h("span", { class: "search" });
  const pager = h("div", { class: "pager" }, newer, older, where, search);

  const element = h(
    "section", {},
    h("div", { class: "head" },
      h("h1", {}, "Jobs"),
      h("button", { onclick: () => cleanUp(again) }, "Clean up…"),
      h("a", { class: "button primary", href: "/admin/add" }, "Add a job")),
    tabs,
    h("form", { class: "filter", role: "search", onsubmit: (event) => { event.preventDefault(); apply(); } },
      h("label", { htmlFor: "filter" }, "Filter"), filter, h("button", {}, "Apply"),
      wanted.filter && h("a", { class: "button", href: address({ filter: "" }) }, "Clear")),
    fault, actions,
    h("div", { class: "scroll" }, table), empty, pager,
  );

  function address(changes) {
    const said = { status: wanted.status, filter: wanted.filter, ...changes };
    const given = Object.entries(said).filter(([, value]) => value);
    const text = new URLSearchParams(given).toString();
    return `/admin/jobs${text ? `?${text}` : ""}`;
  }

  function apply() {
    go(address({ filter: filter.value.trim() }));
  }

  function goOn() {
    before.push(wanted.cursor);
    turn(next);
  }

  function goBack() {
    turn(before.pop() ?? "");
  }

  function turn(cursor) {
    wanted.cursor = cursor;
    history.replaceState(null, "", address({ cursor }));
    selected.clear();
    again();
  }

  function again() {
    deep = false;
    looking = null;
    return refresh();
  }

  function selectPage() {
    for (const job of shown) every.checked ? selected.add(job.id) : selected.delete(job.id);
    draw();
  }

  function select(id, on) {
    on ? selected.add(id) : selected.delete(id);
    drawActions();
    every.checked = shown.length > 0 && shown.every((job) => selected.has(job.id));
  }

  /** Return the filter for what is shown here, on all pages. */
  function matching() {
    return [wanted.status && `status:${wanted.status}`, wanted.filter].filter(Boolean).join(" ");
  }

  async function act(action, chosen) {
    try {
      const { matched } = await api.post("/jobs/bulk", { action, filter: chosen, dry_run: true });
      const verb = action[0].toUpperCase() + action.slice(1);
      const words = h("p", {}, `${countOf(matched)} would be ${DONE[action]}. Those whose status does not fit are left alone.`);
      if (!(await ask(`${verb} ${countOf(matched)}?`, words, `${verb} ${number(matched)}`, { danger: action === "delete" }))) return;
      const done = await api.post("/jobs/bulk", { action, filter: chosen });
      say(`${countOf(done.changed)} ${DONE[action]}` + (done.skipped ? `, ${number(done.skipped)} left alone` : ""));
      selected.clear();
      await again();
    } catch (error) {
      say(error.message, "error");
    }
  }

  function drawActions() {
    const ids = [...selected];
    const all = matching();
    const buttons = (chosen) =>
      Object.keys(DONE).map((action) =>
        h("button", { class: action === "delete" ? "danger" : "", onclick: () => act(action, chosen()) },
          action[0].toUpperCase() + action.slice(1)));
    actions.hidden = refused || (!ids.length && !all);
    if (ids.length) {
      fill(actions, h("strong", {}, `${number(ids.length)} selected`), buttons(() => `id:${ids.join(",")}`),
        h("button", { class: "quiet", onclick: () => { selected.clear(); draw(); } }, "Select none"));
    } else if (all) {
      fill(actions, h("span", {}, "All that match:"), buttons(() => all));
    }
  }

  function drawTabs(counts) {
    const tab = (status, count) =>
      h("a", { href: address({ status }), class: status || "all", "aria-current": wanted.status === status ? "true" : null },
        status || "all", " ", h("span", { class: "count" }, number(count)));
    fill(tabs, tab("", counts.total), STATUSES.map((status) => tab(status, counts[status])));
  }

  function row(job) {
    const url = `/admin/jobs/${encodeURIComponent(job.id)}`;
    return h("tr", {},
      h("td", { class: "check" }, h("input", {
        type: "checkbox", checked: selected.has(job.id), "aria-label": `Select ${clean(job.id)}`,
        onchange: (event) => select(job.id, event.target.checked),
      })),
      h("td", { class: "job" }, h("a", { href: url, class: "id" }, clean(job.id))),
      h("td", { class: "name" }, clean(job.name)),
      h("td", { class: "status" }, badge(job.status)),
      h("td", { class: "attempts" }, job.attempts || ""),
      h("td", { class: "added" }, when(job.created_at)),
      h("td", { class: "note" }, remark(job)));
  }

  function draw() {
    refill(rows, shown.map(row));
    every.checked = shown.length > 0 && shown.every((job) => selected.has(job.id));
    table.hidden = !shown.length;
    newer.disabled = !before.length && !wanted.cursor;
    older.disabled = !next;
    pager.hidden = newer.disabled && older.disabled && !deep;
    drawActions();
    drawWhere();
    empty.hidden = shown.length > 0 || refused || Boolean(looking);
    fill(empty, empty.hidden ? null : nothing());
  }

  function drawWhere() {
    const found = `${countOf(shown.length)} found`;
    const short = next && shown.length < LIMIT;
    const words = looking ? `Looking through all jobs, ${found} so far` : short ? `Stopped, ${found}` : found;
    const page = before.length ? `page ${number(before.length + 1)}` : "";
    const text = [page, deep && words].filter(Boolean).join(": ");
    if (where.textContent !== text) fill(where, text);
    if (search.dataset.at === `${deep} ${Boolean(looking)} ${short}`) return;
    search.dataset.at = `${deep} ${Boolean(looking)} ${short}`;
    fill(search, !deep ? null : looking ? h("button", { onclick: stop }, "Stop") : [
      short ? h("button", { onclick: lookOn }, "Look on") : null, h("button", { onclick: again }, "Look again"),
    ]);
  }

  function stop() {
    looking = null;
    draw();
  }

  function load(cursor, limit) {
    const asked = { limit, status: wanted.status, filter: wanted.filter, cursor };
    return api.json(`/jobs?${new URLSearchParams(Object.entries(asked).filter(([, value]) => value))}`);
  }

  /** Look on until the page is full: the server looks at some hundred jobs at a time. */
  async function lookOn() {
    const mine = (looking = {});
    draw();
    while (looking === mine && next && shown.length < LIMIT) {
      let page;
      try {
        page = await load(next, LIMIT - shown.length);
      } catch (error) {
        if (looking === mine) say(error.message, "error");
        break;
      }
      if (looking !== mine) return;
      shown = shown.concat(page.jobs);
      next = page.next;
      page.jobs.length ? draw() : drawWhere();
    }
    if (looking === mine) stop();
  }

  async function refresh(counts) {
    const [page, known] = await Promise.all([
      deep ? null : load(wanted.cursor, LIMIT).catch((error) => ({ error })),
      counts ?? api.json("/jobs/stats"),
    ]);
    total = known.total;
    drawTabs(known);
    if (!page || deep) return;
    if (page.error) throw page.error;
    refused = false;
    shown = page.jobs;
    next = page.next;
    for (const id of selected) if (!shown.some((job) => job.id === id)) selected.delete(id);
    fill(fault);
    deep = Boolean(next) && shown.length < LIMIT;
    deep ? lookOn() : draw();
  }

  function nothing() {
    if (total && (wanted.status || wanted.filter)) {
      return h("p", {}, "No job matches. ", h("a", { href: "/admin/jobs" }, "Show all"));
    }
    return [h("p", {}, "There are no jobs yet."),
      h("p", {}, h("a", { href: "/admin/add" }, "Add one here"), " or in a terminal: ",
        h("code", {}, "jobctl add NAME key=value"))];
  }

  return {
    title: "Jobs",
    element,
    refresh,
    close: stop,
    fail(error) {
      fill(fault, clean(error.message, { lines: true }));
      refused = true;
      shown = [];
      draw();
    },
  };
}

/** Ask which finished jobs shall go, say how many that are, and delete them. */
async function cleanUp(refresh) {
  const age = h("input", { id: "age", value: "7d", required: true, size: 8, spellcheck: false });
  const found = h("p", { class: "hint", role: "status" });
  async function count() {
    try {
      const { matched } = await api.post("/jobs/cleanup", { older_than: age.value.trim(), dry_run: true });
      fill(found, `${countOf(matched)} would go.`);
    } catch (error) {
      fill(found, clean(error.message));
    }
  }
  age.addEventListener("input", count);
  await count();
  const body = [
    h("p", {}, "Completed, failed and cancelled jobs that ended longer ago than this are deleted, with their logs."),
    h("p", { class: "field" }, h("label", { htmlFor: "age" }, "Older than "), age, h("span", { class: "hint" }, " such as 12h, 7d")),
    found,
  ];
  if (!(await ask("Clean up", h("div", {}, ...body), "Delete them", { danger: true }))) return;
  try {
    const { deleted } = await api.post("/jobs/cleanup", { older_than: age.value.trim() });
    say(`${countOf(deleted)} deleted`);
    await refresh();
  } catch (error) {
    say(error.message, "error");
  }
}
