// Adding a job: the names that the handlers have, and their data as they want it.
import * as api from "/static/api.js";
import { clean, fill, h, say } from "/static/dom.js";
import { pretty } from "/static/format.js";

// Which are sent as they are typed, and which as numbers or lists.
const FIELDS = [
  ["priority", "Priority", "number", "0", "Higher runs first."],
  ["delay", "Delay", "text", "", "90s, 5m, 2h30m; empty: at once."],
  ["max_retries", "Max retries", "number", "", "Runs after the first."],
  ["timeout", "Timeout", "text", "", "30s, 5m."],
  ["id", "Id", "text", "", "Your own: a second add of it adds nothing."],
  ["tags", "Tags", "list", "", "With commas between them."],
  ["concurrency_key", "Key", "text", "", "Jobs of one key run one after the other."],
  ["after", "After", "list", "", "Ids of jobs that must have completed before."],
];

export function add(go) {
  const names = h("datalist", { id: "names" });
  const name = h("input", { id: "name", required: true, autocomplete: "off", spellcheck: false, list: "names", oninput: explain });
  const data = h("textarea", { id: "data", rows: 8, spellcheck: false, "aria-describedby": "data-fault", oninput: check }, "{}");
  const fault = h("p", { class: "fault", id: "data-fault" });
  const about = h("div", { class: "about" });
  const problem = h("p", { class: "fault", role: "alert" });
  const inputs = FIELDS.map(([key, , kind, value]) =>
    h("input", { id: key, type: kind === "number" ? "number" : "text", value, autocomplete: "off", spellcheck: false, "aria-describedby": `${key}-hint` }));
  const when = h("input", { id: "run_at", type: "datetime-local", step: 1 });
  let handlers = {};

  const element = h("section", {}, h("div", { class: "head" }, h("h1", {}, "Add a job")),
    h("form", { class: "add", onsubmit: send },
      h("div", { class: "field" }, h("label", { htmlFor: "name" }, "Name"), name, names, about),
      h("div", { class: "field" }, h("label", { htmlFor: "data" }, "Data (JSON)"), data, fault),
      h("details", {}, h("summary", {}, "Options"),
        h("div", { class: "grid" },
          FIELDS.map(([key, label, , , hint], n) =>
            h("div", { class: "field" }, h("label", { htmlFor: key }, label), inputs[n], h("span", { class: "hint", id: `${key}-hint` }, hint))),
          h("div", { class: "field" }, h("label", { htmlFor: "run_at" }, "Run at"), when, h("span", { class: "hint" }, "In your own time.")))),
      problem,
      h("div", { class: "buttons" }, h("button", { class: "primary" }, "Add"))));

  function parsed() {
    return JSON.parse(data.value.trim() || "{}");
  }

  function check() {
    try {
      fill(fault, missing(parsed()));
      return true;
    } catch (error) {
      fill(fault, `This is not JSON: ${clean(error.message)}`);
      return false;
    }
  }

  /** Return what the handler's schema misses in the data, if it says what it needs. */
  function missing(value) {
    const schema = shape(handlers[name.value]);
    if (!schema?.required || value === null || typeof value !== "object") return null;
    const absent = schema.required.filter((key) => !(key in value));
    return absent.length ? `The handler needs ${clean(absent.join(", "))} too.` : null;
  }

  function explain() {
    const handler = handlers[name.value];
    const schema = shape(handler);
    const known = Object.keys(handlers);
    fill(about,
      !name.value && h("div", { class: "names" }, known.sort().map((one) =>
        h("button", { type: "button", onclick: () => { name.value = one; explain(); data.focus(); } }, clean(one)))),
      !handler && name.value && known.length > 0 && h("p", { class: "hint" }, "No handler of the last daemon has this name."),
      schema && h("details", {}, h("summary", {}, "What the handler takes"), h("pre", { tabIndex: 0 }, pretty(schema))));
    if (schema?.properties && ["", "{}"].includes(data.value.trim())) data.value = pretty(template(schema));
    check();
  }

  async function send(event) {
    event.preventDefault();
    fill(problem);
    if (!check() && data.value.trim()) return data.focus();
    try {
      const body = { name: name.value.trim(), data: parsed() };
      FIELDS.forEach(([key, , kind], n) => {
        const text = inputs[n].value.trim();
        if (!text || (key === "priority" && text === "0")) return;
        body[key] = kind === "number" ? Number(text) : kind === "list" ? text.split(",").map((part) => part.trim()).filter(Boolean) : text;
      });
      if (when.value) body.run_at = new Date(when.value).toISOString();
      const made = await api.post("/jobs", body);
      say(`Job ${made.id} is there.`);
      go(`/admin/jobs/${encodeURIComponent(made.id)}`);
    } catch (error) {
      fill(problem, clean(error.message));
    }
  }

  let loaded = false;
  return {
    title: "Add a job",
    element,
    async refresh() {
      if (loaded) return;
      loaded = true;
      handlers = (await api.json("/handlers")).handlers;
      fill(names, Object.keys(handlers).sort().map((one) => h("option", { value: one })));
      explain();
      if (!Object.keys(handlers).length) {
        fill(about, h("p", { class: "hint" }, "No daemon has run here yet, so the names of the handlers are not known."));
      }
    },
  };
}

/** Return the schema of an object that a handler takes, its reference followed. */
function shape(handler) {
  let schema = handler?.schema ?? null;
  const name = schema?.$ref?.split("/").pop();
  if (name) schema = (schema.$defs ?? {})[name] ?? null;
  return schema;
}

function template(schema) {
  const empty = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} };
  return Object.fromEntries(
    Object.entries(schema.properties)
      .filter(([key]) => schema.required?.includes(key))
      .map(([key, one]) => [key, one.default ?? empty[one.type] ?? null]),
  );
}
