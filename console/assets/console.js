// The page: what it knows, where it is, and keeping both up to date.

import { allAlerts, follow, me, read, send } from "/assets/api.js";
import { chart } from "/assets/chart.js";
import { alertDetail, alertItem, byUrgency, el, isUnresolved } from "/assets/views.js";

const main = document.getElementById("main");
const alerts = new Map();
const patients = new Map();
let view = "attention";
let detail = null;

const VIEWS = {
  attention: { word: "Needs attention", query: "state=open,acknowledged,snoozed", keep: (a) => isUnresolved(a) && !a.historical },
  resolved: { word: "Resolved", query: "state=resolved", keep: (a) => a.state === "resolved" && !a.historical },
  retracted: { word: "Retracted", query: "state=retracted", keep: (a) => a.state === "retracted" },
  history: { word: "History", query: "", keep: (a) => a.historical },
};

const openId = () => location.pathname.match(/^\/alerts\/([0-9a-f]{32})$/)?.[1] ?? null;

async function load() {
  const [found, known] = await Promise.all([allAlerts(VIEWS[view].query), read("/api/v1/patients")]);
  alerts.clear();
  for (const alert of found) alerts.set(alert.alert_id, alert);
  for (const patient of known.patients) patients.set(patient.patient_id, patient);
  await show();
}

async function show() {
  if (openId()) await showDetail(openId());
  else showList();
}

// Redrawing keeps the focus on the same thing, and what is being typed.
function draw(content) {
  const key = document.activeElement?.dataset?.key;
  main.replaceChildren(content);
  if (key) main.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

function showList() {
  detail = null;
  const shown = [...alerts.values()].filter(VIEWS[view].keep).sort(byUrgency);
  const waiting = shown.filter((alert) => alert.state === "open").length;
  document.title = view === "attention" && waiting > 0 ? `(${waiting}) painwatch` : "painwatch";
  const chosen = el("select", { id: "view", "data-key": "view", on: { change: (event) => choose(event.target.value) } },
    ...Object.entries(VIEWS).map(([value, { word }]) => el("option", { value, selected: value === view }, word)));
  const list = shown.map((alert) => alertItem(alert, { patients, act, open: navigate }));
  draw(el("div", {},
    el("div", { class: "bar" }, el("h1", {}, `${VIEWS[view].word}: ${shown.length}`),
      el("span", { class: "quiet" }, `times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`),
      el("div", {}, el("label", { for: "view" }, "Show"), chosen)),
    shown.length === 0 ? el("p", {}, "Nothing here.") : el("ul", { class: "list" }, ...list)));
}

async function choose(value) {
  view = value;
  await guarded(load);
}

async function showDetail(id) {
  detail = await read(`/api/v1/alerts/${id}`);
  document.title = `${detail.title} · painwatch`;
  const typed = Object.fromEntries(["note", "assignee"].map((name) => [name, document.getElementById(name)?.value ?? ""]));
  const drawing = await draft(detail);
  if (openId() !== id) return;
  draw(alertDetail(detail, { patients, act, drawing }));
  for (const [name, value] of Object.entries(typed)) document.getElementById(name).value = value;
}

async function draft(alert) {
  if (!alert.chart || !alert.patient_id) return null;
  const { measure, from, to } = alert.chart;
  const span = new URLSearchParams({ measure, from, to });
  const series = await read(`/api/v1/patients/${encodeURIComponent(alert.patient_id)}/series?${span}`).catch(() => null);
  if (!series) return el("p", {}, "The readings could not be read.");
  const proof = new Set(alert.evidence.map((reading) => reading.reading_id));
  const episode = { from: Date.parse(alert.onset_at), to: Date.parse(alert.cleared_at ?? alert.last_held_at) };
  const caption = `${measure.replaceAll("_", " ")} in ${series.unit}. Shaded: the episode. Large dots: the evidence.`;
  return el("figure", {}, chart(series, Date.parse(from), Date.parse(to), { proof, episode }),
    el("figcaption", { class: "quiet" }, caption));
}

function navigate(event, href) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState(null, "", href);
  guarded(show).then(() => main.focus());
}

function say(text) {
  document.getElementById("said").textContent = text;
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
}

async function act(alert, verb, body, button) {
  button.disabled = true;
  say("");
  try {
    const after = await send(`/api/v1/alerts/${alert.alert_id}/${verb}`, body);
    if (after.state) learn(after);
    if (detail) {
      for (const name of ["note", "assignee"]) document.getElementById(name).value = "";
      await showDetail(alert.alert_id);
    }
    say(verb === "acknowledge" && after.changed === false ? `Already acknowledged by ${after.acknowledged_by}.` : "Done.");
  } catch (error) {
    say(error.message);
  } finally {
    button.disabled = false;
  }
}

function learn(alert) {
  const before = alerts.get(alert.alert_id);
  alerts.set(alert.alert_id, alert);
  if (!before && alert.state === "open" && alert.priority === "high" && !alert.historical) {
    say(`New high priority alert: ${alert.title}`);
  }
  drawSoon();
}

// A burst of changes is one drawing.
let drawing = null;
function drawSoon() {
  drawing ??= setTimeout(() => {
    drawing = null;
    if (!openId()) showList();
  }, 60);
}

function freshness(fresh, since) {
  const banner = document.getElementById("stale"), live = document.getElementById("live");
  live.textContent = fresh ? "live" : "not live";
  if (fresh) {
    banner.hidden = true;
  } else if (banner.hidden) {
    const time = new Date(since).toLocaleTimeString();
    banner.textContent = `Stale data: nothing heard from the server since ${time}. What is shown may be out of date.`;
    banner.hidden = false;
  }
}

async function start() {
  const who = await me();
  document.getElementById("user").textContent = who.user;
  document.getElementById("logout").addEventListener("click", async () => {
    await send("/logout");
    location.assign("/login");
  });
  window.addEventListener("popstate", () => guarded(show));
  await load();
  follow({
    onAlert: (alert) => {
      learn(alert);
      if (detail && alert.alert_id === detail.alert_id) guarded(() => showDetail(alert.alert_id));
    },
    onReset: () => guarded(load),
    onFresh: freshness,
  });
}

guarded(start);
