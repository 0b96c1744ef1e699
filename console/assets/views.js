// What is shown, as a function of what is known. Text goes in as text, never as markup.

export function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const RANK = { high: 3, medium: 2, low: 1, info: 0 };
const SHAPE = { high: "▲▲", medium: "▲", low: "●", info: "○" };

export const isUnresolved = (alert) => !["resolved", "retracted"].includes(alert.state);

// What is open before what somebody has, what was sent before what was only shown, then by urgency, then what still
// holds, then the newest.
export function byUrgency(a, b) {
  return (b.state === "open") - (a.state === "open") || a.historical - b.historical || a.shadow - b.shadow ||
    RANK[b.priority] - RANK[a.priority] || (b.condition === "active") - (a.condition === "active") || b.opened_at.localeCompare(a.opened_at);
}

export function badge(priority) {
  return el("span", { class: `badge ${priority}` }, `${SHAPE[priority]} ${priority.toUpperCase()}`);
}

export function time(text) {
  if (!text) return "–";
  const shown = new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: text, title: text }, shown);
}

// The state as a clinician would say it.
export function stateWords(alert) {
  const cleared = alert.condition === "cleared";
  if (alert.state === "open") return cleared ? "cleared, not seen" : "active";
  if (alert.state === "acknowledged") return `acknowledged by ${alert.acknowledged_by}${cleared ? ", cleared" : ", still active"}`;
  if (alert.state === "resolved") return cleared ? "resolved" : "resolved, still active";
  if (alert.state === "retracted") return "retracted: later data show it never was";
  return alert.state;
}

export function tags(alert, synthetic) {
  const tag = (text, title, loud) => el("span", { class: loud ? "tag loud" : "tag", title }, text);
  return [
    synthetic ? tag("synthetic patient", "Nobody real") : null,
    alert.kind === "technical" ? tag("technical", "About devices or the path, not the patient") : null,
    alert.shadow ? tag("shadow rule: nobody was told", "No named clinician has accepted this rule yet") : null,
    alert.retrospective ? tag("retrospective", "Known only after it was too old to page") : null,
    alert.historical ? tag("history", "From historical data; never pages") : null,
  ].filter(Boolean);
}

export function patientName(alert, patients) {
  if (!alert.patient_id) return "no patient";
  return `patient ${alert.patient_id}${patients.get(alert.patient_id)?.synthetic ? " (synthetic)" : ""}`;
}

export function quickActions(alert, act) {
  const button = (verb, word, primary) => el("button", {
    type: "button", class: primary ? "primary" : null, "data-key": `${verb}-${alert.alert_id}`,
    "aria-label": `${word}: ${alert.title}, patient ${alert.patient_id ?? "unknown"}`,
    on: { click: (event) => act(alert, verb, {}, event.currentTarget) },
  }, word);
  if (alert.state === "open") return [button("acknowledge", "Acknowledge", true), button("resolve", "Resolve")];
  if (isUnresolved(alert)) return [button("resolve", "Resolve", true)];
  return alert.state === "resolved" ? [button("reopen", "Reopen")] : [];
}

export function alertItem(alert, { patients, act, open }) {
  const href = `/alerts/${alert.alert_id}`;
  return el("li", { class: `alert ${alert.priority}${alert.state === "open" ? "" : " settled"}` },
    el("div", {}, badge(alert.priority)),
    el("div", { class: "what" },
      el("p", {}, el("a", { href, "data-key": href, on: { click: (event) => open(event, href) } }, alert.title),
        ` · ${patientName(alert, patients)}`),
      el("p", {}, alert.why),
      el("p", { class: "quiet" }, `${stateWords(alert)} · since `, time(alert.onset_at),
        alert.care_team ? ` · ${alert.care_team}` : "", alert.assignee ? ` · for ${alert.assignee}` : ""),
      el("p", {}, ...tags(alert, false))),
    el("div", { class: "do" }, ...quickActions(alert, act)));
}

function facts(pairs) {
  return el("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function table(caption, heads, rows) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, el("table", {},
    el("caption", { class: "hidden-text" }, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)))))));
}

const DISPOSITIONS = {
  "": "not said", actionable: "actionable", true_not_actionable: "true, not actionable",
  false_sensor: "false: sensor", false_other: "false: other", duplicate: "duplicate",
};

function actionsCard(alert, act) {
  const note = el("textarea", { id: "note", rows: 2, maxlength: 2000, "data-key": "note" });
  const disposition = el("select", { id: "disposition", "data-key": "disposition" },
    ...Object.entries(DISPOSITIONS).map(([value, word]) => el("option", { value }, word)));
  disposition.value = alert.disposition ?? "";
  const assignee = el("input", { id: "assignee", "data-key": "assignee", maxlength: 64 });
  const button = (verb, word, body, primary) => el("button", {
    type: "button", class: primary ? "primary" : null, "data-key": `do-${verb}`,
    on: { click: (event) => act(alert, verb, body(), event.currentTarget) },
  }, word);
  const withNote = () => ({ note: note.value });
  return el("section", { class: "card", "aria-labelledby": "act" },
    el("h2", { id: "act" }, "Act"),
    el("label", { for: "note" }, "Note"), note,
    el("label", { for: "disposition" }, "It was"), disposition,
    el("div", { class: "row" },
      alert.state === "open" ? button("acknowledge", "Acknowledge", withNote, true) : null,
      isUnresolved(alert)
        ? button("resolve", "Resolve", () => ({ note: note.value, disposition: disposition.value }), alert.state !== "open")
        : null,
      alert.state === "resolved" ? button("reopen", "Reopen", withNote) : null,
      button("comment", "Add note", withNote),
      button("disposition", "Save what it was", () => ({ note: note.value, disposition: disposition.value }))),
    el("label", { for: "assignee" }, "Assign to"),
    el("div", { class: "row" }, assignee, button("assign", "Assign", () => ({ assignee: assignee.value }))));
}

function nobodyTold(alert) {
  const unreached = alert.events.some((event) => event.event === "no_recipient");
  if (unreached) return el("p", {}, el("span", { class: "tag loud" }, "Nobody: no contact takes this alert. Check the roster."));
  if (alert.shadow) return el("p", {}, "Nobody: shadow rules are shown, never sent.");
  return el("p", {}, "Nobody: this alert does not page.");
}

export function alertDetail(alert, { patients, act, drawing }) {
  const value = (reading) => reading.value ?? reading.value_code ?? "–";
  return el("div", {},
    el("p", {}, el("a", { href: "/", "data-key": "back" }, "← All alerts")),
    el("h1", {}, alert.title, " · ", patientName(alert, patients)),
    el("p", {}, badge(alert.priority), " ", el("strong", {}, stateWords(alert)), " ",
      ...tags(alert, patients.get(alert.patient_id)?.synthetic)),
    el("div", { class: "columns" },
      el("div", {},
        el("section", { class: "card", "aria-labelledby": "why" }, el("h2", { id: "why" }, "Why"),
          el("p", {}, alert.why), el("p", {}, el("strong", {}, "What to do: "), alert.action || "not stated"),
          drawing),
        el("section", { class: "card", "aria-labelledby": "evidence" },
          el("h2", { id: "evidence" }, `Evidence: ${alert.evidence.length} readings`),
          table("Evidence", ["Time", "Measure", "Value", "Device", "Quality"], alert.evidence.map((reading) => [
            time(reading.time), (reading.measure ?? "reading not found").replaceAll("_", " "),
            reading.measure ? `${value(reading)} ${reading.unit}` : reading.reading_id.slice(0, 8),
            reading.device_id ?? "–", reading.quality || "–"]))),
        el("section", { class: "card", "aria-labelledby": "story" }, el("h2", { id: "story" }, "What happened"),
          table("What happened", ["Time", "Event", "Who", "Note"], alert.events.map((event) => [
            time(event.at), event.event.replaceAll("_", " "), event.actor, event.note])))),
      el("div", {},
        actionsCard(alert, act),
        el("section", { class: "card", "aria-labelledby": "facts" }, el("h2", { id: "facts" }, "Facts"), facts([
          ["Onset", time(alert.onset_at)], ["Last held", time(alert.last_held_at)],
          ["Cleared", alert.cleared_at ? time(alert.cleared_at) : null],
          ["Detected", time(alert.detected_at)],
          ["Acknowledged", alert.acknowledged_by ? el("span", {}, alert.acknowledged_by, ", ", time(alert.acknowledged_at)) : null],
          ["Resolved", alert.resolved_at ? time(alert.resolved_at) : null],
          ["Assigned to", alert.assignee], ["Care team", alert.care_team],
          ["It was", DISPOSITIONS[alert.disposition] ?? null],
          ["Rule", alert.rule_id], ["Rule version", alert.rule_version.slice(0, 12)],
          ["Threshold", alert.shadow ? "default, not confirmed by a named clinician" : "accepted by a named clinician"],
        ])),
        el("section", { class: "card", "aria-labelledby": "told" }, el("h2", { id: "told" }, "Who was told"),
          alert.notifications.length === 0 ? nobodyTold(alert)
            : table("Who was told", ["Time", "Who", "Try", "Outcome"], alert.notifications.map((told) => [
              time(told.at), told.recipient, String(told.attempt), `${told.outcome} ${told.detail}`]))))));
}
