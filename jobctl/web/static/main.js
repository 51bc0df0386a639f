// The shell: which page an address means, and what keeps it up to date.
import * as api from "/static/api.js";
import { fill, h, say } from "/static/dom.js";
import { tick } from "/static/format.js";
import { add } from "/static/add.js";
import { job } from "/static/job.js";
import { jobList } from "/static/jobs.js";
import { overview } from "/static/overview.js";
import { schedule, scheduleList } from "/static/schedules.js";

const PAGES = [
  [/^\/admin\/?$/, overview],
  [/^\/admin\/jobs\/?$/, jobList],
  [/^\/admin\/jobs\/([^/]+)$/, job],
  [/^\/admin\/schedules\/?$/, scheduleList],
  [/^\/admin\/schedules\/([^/]+)$/, schedule],
  [/^\/admin\/add\/?$/, add],
];
// Milliseconds between two refreshes that were not asked for.
const LEAST = 1000;
// How much longer than a refresh the time between two of them is.
const REST = 5;

const main = document.getElementById("main");
const link = document.getElementById("link");
let page = null; // {title, element, refresh(counts), every, close()}
let counts = null;
let dirty = false;
let refreshing = false;
let last = 0;
let took = 0; // milliseconds of the last refresh

/** Go to another page, as a link does. */
export function go(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  show();
}

function show(fault = "") {
  page?.close?.();
  page = null;
  for (const item of document.querySelectorAll(".top nav a")) {
    const path = item.getAttribute("href");
    const here = location.pathname;
    const on = path === "/admin" ? /^\/admin\/?$/.test(here) : here.startsWith(path);
    if (on) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  if (!api.hasToken()) {
    fill(main, tokenForm(fault));
    document.title = "jobctl";
    return;
  }
  for (const [pattern, make] of PAGES) {
    const match = pattern.exec(location.pathname);
    if (match) {
      const made = make(go, ...match.slice(1).map(decodeURIComponent));
      page = made;
      document.title = `${made.title} · jobctl`;
      fill(main, made.element);
      last = 0;
      refresh();
      return;
    }
  }
  document.title = "jobctl";
  fill(main, h("h1", {}, "Nothing here"),
    h("p", { class: "empty" }, "There is no such page. ", h("a", { href: "/admin" }, "Overview")));
}

async function refresh() {
  const current = page;
  if (!current || refreshing) {
    dirty = true;
    return;
  }
  refreshing = true;
  dirty = false;
  last = Date.now();
  try {
    await current.refresh(counts);
  } catch (error) {
    if (error.status !== 401 && error.name !== "AbortError") {
      current.fail ? current.fail(error) : say(error.message, "error");
    }
  }
  refreshing = false;
  took = Date.now() - last;
  if (page !== current) refresh();
}

function tokenForm(fault) {
  const field = h("input", {
    type: "password", id: "token", required: true, autocomplete: "off", spellcheck: false,
  });
  return h(
    "form",
    {
      class: "token",
      onsubmit: (event) => {
        event.preventDefault();
        api.keepToken(field.value);
        show();
      },
    },
    h("h1", {}, "Token"),
    h("p", {}, "This dashboard asks for its token. ", h("code", {}, "jobctl dashboard --url"),
      " prints an address that brings it along."),
    h("label", { htmlFor: "token" }, "Token"),
    field,
    fault && h("p", { class: "fault", role: "alert" }, fault),
    h("button", { class: "primary" }, "Open"),
  );
}

function onEvent(name, data) {
  if (name === "counts") {
    counts = data;
    state("live", "live");
  } else if (name === "jobs") {
    dirty = dirty || !data.ids || !page?.concerns || page.concerns(data.ids);
  } else if (name === "problem") state("broken", data.detail);
  else if (name === "closed" && api.hasToken()) state("broken", "the server does not answer");
}

function state(kind, words) {
  if (link.textContent === words) return;
  link.className = `link ${kind}`;
  fill(link, h("span", { class: "dot" }), words);
}

addEventListener("popstate", () => show());
addEventListener("hashchange", () => api.takeToken() && show());
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!anchor || !plain || anchor.origin !== location.origin) return;
  if (anchor.pathname.startsWith("/admin") && !anchor.hash) {
    event.preventDefault();
    go(anchor.href);
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest?.("input, textarea, select")) {
    const filter = document.querySelector("input[type=search]");
    if (filter) {
      event.preventDefault();
      filter.focus();
    }
  }
});
setInterval(() => {
  tick();
  const since = Date.now() - last;
  // A filter that has all jobs looked through shall not keep the server at it all the time.
  if (!document.hidden && page && since > Math.max(LEAST, REST * took)) {
    if ((dirty && since > (page.least ?? LEAST)) || since > (page.every?.() ?? Infinity)) refresh();
  }
}, 500);

api.whenTokenIsLost(() => {
  show("The token is wrong.");
});
api.takeToken();
show();
api.follow(onEvent);
