// Elements made of text. Nothing here, and nothing elsewhere, makes HTML of a string: what a
// job says is only ever put into a text node. (The CSP forbids the rest: trusted types.)

/** Return an element. `props` are properties, `on...` listeners, or attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  // On a narrow screen a table is laid out in another way, and would cease to be one.
  if (tag in ROLES) element.setAttribute("role", ROLES[tag]);
  set(element, props);
  element.append(...flat(children));
  return element;
}

const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell", th: "columnheader" };

/** Return an SVG element; all of `props` are attributes. */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...flat(children));
  return element;
}

/** Put new children into an element in place of those it has. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** The same, and what had the focus has it again, if it is there still. */
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) && focusKey(document.activeElement);
  fill(element, ...children);
  if (focused) element.querySelector(focused)?.focus();
  return element;
}

function focusKey(focused) {
  const link = focused.getAttribute("href");
  const label = focused.getAttribute("aria-label");
  return link ? `a[href="${CSS.escape(link)}"]` : label && `[aria-label="${CSS.escape(label)}"]`;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child != null && child !== false);
}

function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-") && name !== "list" && name !== "form") {
      element[name] = value;
    } else element.setAttribute(name, value === true ? "" : value);
  }
}

// Characters that hide, or that reorder a line, as jobctl/core/text.py has them.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Return text with every character that could hide or mislead written as an escape. */
export function clean(text, { lines = false } = {}) {
  return String(text).replace(UNSAFE, (found) => {
    if (lines && (found === "\n" || found === "\t")) return found;
    const code = found.codePointAt(0);
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Say something to everybody, a screen reader too, for some seconds. */
export function say(text, kind = "note") {
  const place = document.getElementById("said");
  const line = h("p", { class: kind }, clean(text));
  place.append(line);
  setTimeout(() => line.remove(), kind === "error" ? 10000 : 4000);
}

/** Ask before something is done; resolves to whether it shall be. */
export function ask(title, body, verb, { danger = false } = {}) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "ask", "aria-labelledby": "ask-title" },
      h("h2", { id: "ask-title" }, title),
      body,
      h(
        "form",
        { method: "dialog", class: "buttons" },
        h("button", { value: "no" }, "Leave it"),
        h("button", { value: "yes", class: danger ? "danger" : "primary" }, verb),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.returnValue = "no";
    dialog.showModal();
  });
}
