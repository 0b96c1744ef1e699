// Talking to the server: requests with the session's CSRF token, and the stream of changes.

let csrf = null;

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answer(response) {
  if (response.status === 401) {
    location.assign("/login");
    throw new Refused(401, "logged out");
  }
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body?.detail ?? `the server answered ${response.status}`);
  return body;
}

export async function read(path) {
  return answer(await fetch(path, { headers: { accept: "application/json" } }));
}

// A key per press of a button: pressed twice or sent twice, it counts once.
export async function send(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": csrf, "idempotency-key": newKey() };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) }));
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function me() {
  const who = await read("/api/v1/me");
  csrf = who.csrf_token;
  return who;
}

// Every page of a list, up to a number that a person can still look through.
export async function allAlerts(query) {
  const found = [];
  let cursor = null;
  do {
    const page = await read(`/api/v1/alerts?limit=200&${query}${cursor === null ? "" : `&cursor=${cursor}`}`);
    found.push(...page.alerts);
    cursor = page.next_cursor;
  } while (cursor !== null && found.length < 1000);
  return found;
}

const SILENCE_MS = 15_000;

// Follows the changes. `onFresh(false)` as soon as what is shown may be old; `onReset` when it must be read again.
export function follow({ onAlert, onReset, onFresh }) {
  let lastHeard = Date.now();
  let source = null;
  const heard = () => {
    lastHeard = Date.now();
    onFresh(true, null);
  };
  const open = (again) => {
    source = new EventSource("/api/v1/events");
    source.addEventListener("heartbeat", heard);
    source.addEventListener("alert", (event) => {
      heard();
      onAlert(JSON.parse(event.data));
    });
    source.addEventListener("reset", () => {
      heard();
      onReset();
    });
    source.addEventListener("stopped", () => onFresh(false, lastHeard));
    source.addEventListener("error", () => {
      onFresh(false, lastHeard);
      // The browser resumes by itself unless the server refused: then a new stream, which does not know where we were.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => me().then(() => open(true), () => open(true)), 3000);
    });
    if (again) source.addEventListener("open", onReset);
  };
  open(false);
  setInterval(() => {
    if (Date.now() - lastHeard > SILENCE_MS) onFresh(false, lastHeard);
  }, 1000);
}
