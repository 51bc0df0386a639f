// The API: every request brings the token in a header, and none leaves this address.

const KEY = "jobctl-token";

/** Take the token from the address, and the address from whoever looks over a shoulder. */
export function takeToken() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (match) {
    try {
      keepToken(decodeURIComponent(match[1]));
    } catch {
      // no token, then: the page asks for one
    }
    history.replaceState(null, "", location.pathname + location.search);
  }
  return hasToken();
}

export function hasToken() {
  return Boolean(sessionStorage.getItem(KEY));
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

function dropToken() {
  sessionStorage.removeItem(KEY);
}

/** What the API says when it refuses. */
class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let onLostToken = () => {};

/** Call `listener` when the token turns out to be wrong. */
export function whenTokenIsLost(listener) {
  onLostToken = listener;
}

/** Ask something under /api/admin and return the response. Throws a Problem. */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const said = { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}`, ...headers };
  if (body !== undefined) said["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/api/admin${path}`, {
      method,
      headers: said,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "the server does not answer");
  }
  if (response.status === 401 && hasToken()) {
    dropToken();
    onLostToken();
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(response.status, problem.detail ?? response.statusText);
  }
  return response;
}

/** Ask something and return what its JSON says. */
export async function json(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : parse(await response.text());
}

export function post(path, body) {
  return json(path, { method: "POST", body });
}

/** Parse JSON; a whole number that a double cannot hold stays as it was written. */
function parse(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && JSON.rawJSON &&
    /^-?\d+$/.test(context?.source ?? "")
      ? JSON.rawJSON(context.source)
      : value,
  );
}

/** Follow the stream of events, and begin anew when it breaks; `tell(name, data)`. */
export async function follow(tell) {
  for (let wait = 1000; ; wait = hasToken() ? Math.min(wait * 2, 15000) : 1000) {
    if (hasToken()) {
      try {
        const response = await request("/events");
        tell("open");
        wait = 1000;
        for await (const [name, data] of events(response.body)) tell(name, data);
      } catch {
        // said below
      }
      tell("closed");
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}
