// app.js - the live page: jobs, and one job while it runs. Everything comes from the public routes under /v1.
"use strict";

const $ = id => document.getElementById(id);
const REFRESH_MS = 2000, MAP_MS = 5000, LOG_LINES = 200;
let stopStream = null;

// ---- requests ----

function headers(more = {}) {
  const token = sessionStorage.getItem("token");
  return token ? {Authorization: `Bearer ${token}`, ...more} : more;
}

async function get(path) {
  const answer = await fetch(path, {headers: headers()});
  if (answer.ok) return answer;
  let detail = answer.statusText;
  try { detail = (await answer.json()).detail || detail; } catch { /* no problem document */ }
  const error = new Error(detail);
  error.status = answer.status;
  throw error;
}

const getJson = async path => (await get(path)).json();

function say(text) { $("connection").textContent = text; }

function failed(error) {
  say(error.status === 401 ? "A token is needed (ffctl tokens add)" : `${error.message}`);
}

// ---- text ----

function duration(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function share(progress) {
  return progress && progress.total ? Math.min(1, progress.done / progress.total) : null;
}

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text ?? "";
  if (className) td.className = className;
  return td;
}

// ---- the list ----

function showJobs(jobs) {
  const body = $("jobs").tBodies[0];
  body.replaceChildren();
  $("empty").hidden = jobs.length > 0;
  for (const job of jobs) {
    const row = body.insertRow(), link = document.createElement("a"), done = share(job.progress);
    row.dataset.id = job.id;
    link.href = `#${job.id}`;
    link.textContent = job.id.slice(0, 12) + "…";
    link.className = "id";
    row.insertCell().append(link);
    cell(row, job.name);
    cell(row, job.kind);
    cell(row, job.state, job.state);
    cell(row, job.state === "succeeded" ? "100 %" : done === null ? "" : `${Math.floor(100 * done)} %`);
    cell(row, job.state === "running" && job.progress ? duration(job.progress.eta_s) : "");
    cell(row, job.created ? new Date(job.created).toLocaleString() : "");
  }
}

async function refreshList() {
  if (location.hash.length > 1) return;
  try {
    showJobs((await getJson("/v1/jobs?limit=50")).jobs);
    say("");
  } catch (error) { failed(error); }
}

// ---- one job ----

function showJob(job) {
  $("job-title").textContent = `${job.name || job.kind} (${job.id})`;
  $("job-state").textContent = [job.state, job.reason, job.message].filter(Boolean).join(": ");
  $("job-state").className = job.state;
  const body = $("tasks").tBodies[0];
  body.replaceChildren();
  for (const task of (job.tasks || []).slice(0, 200)) {
    const row = body.insertRow();
    cell(row, task.name);
    cell(row, task.state, task.state);
    cell(row, task.attempt);
    cell(row, task.reason);
  }
  if (job.state === "succeeded") $("job-bar").style.width = "100%";
}

function showProgress(event) {
  const done = share(event);
  if (done !== null) $("job-bar").style.width = `${100 * done}%`;
  const words = [event.stage, `${event.done} of ${event.total}`];
  if (event.rate) words.push(`${event.rate.toPrecision(3)} a second`);
  if (event.eta_s !== null && event.eta_s !== undefined) words.push(`${duration(event.eta_s)} left`);
  if (event.ess) words.push(`ESS ${Math.round(event.ess)}`);
  if (event.rhat) words.push(`R-hat ${event.rhat.toFixed(3)}`);
  if (event.divergences) words.push(`${event.divergences} divergences`);
  $("job-progress").textContent = words.filter(Boolean).join(", ");
}

function addLog(event) {
  const text = event.type === "log" ? event.message : [event.state, event.reason, event.message].filter(Boolean).join(" ");
  const lines = $("log").textContent.split("\n").filter(Boolean);
  lines.push(`${event.time} ${event.task || "job"} ${text}`);
  $("log").textContent = lines.slice(-LOG_LINES).join("\n") + "\n";
  $("log").scrollTop = $("log").scrollHeight;
}

// Lines "field: value" of one event of the stream.
function parseEvent(block) {
  const event = {name: "message", data: ""};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const field = line.slice(0, colon), value = line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") event.id = value;
    if (field === "event") event.name = value;
    if (field === "data") event.data += value;
  }
  return event;
}

// EventSource cannot send a token, so the stream is read with fetch; it goes on from the last event after a break.
async function stream(id, onEvent, signal) {
  let last = "0";
  while (!signal.aborted) {
    try {
      const answer = await fetch(`/v1/jobs/${id}/events`, {headers: headers({"Last-Event-ID": last}), signal});
      if (answer.status === 204) return;
      if (!answer.ok) throw Object.assign(new Error(answer.statusText), {status: answer.status});
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const {value, done} = await reader.read();
        if (done) break;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const event = parseEvent(block);
          if (event.id) last = event.id;
          if (event.name !== "heartbeat" && event.data) onEvent(JSON.parse(event.data));
          if (event.name === "end") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
    }
    await new Promise(resolve => setTimeout(resolve, REFRESH_MS));
  }
}

async function showMap(id) {
  try {
    const answer = await get(`/v1/jobs/${id}/maps/convergence_mean?bin=${$("bin").value || 0}&format=png`);
    const url = URL.createObjectURL(await answer.blob());
    URL.revokeObjectURL($("map").src);
    $("map").src = url;
  } catch { /* no map yet */ }
}

function binsOf(spec) {
  const sources = spec?.model?.sources;
  return sources?.smail?.bins || sources?.gaussian?.length || sources?.tables?.length || 1;
}

async function openJob(id) {
  const abort = new AbortController(), columns = {};
  let count = 0, stale = false;
  stopStream = () => { abort.abort(); clearInterval(timer); };
  const timer = setInterval(async () => {
    if (stale) { drawCorner($("corner"), columns); $("samples").textContent = count; stale = false; }
    try { showJob(await getJson(`/v1/jobs/${id}`)); } catch (error) { failed(error); }
  }, REFRESH_MS);
  try {
    const job = await getJson(`/v1/jobs/${id}`);
    showJob(job);
    $("bin").replaceChildren(...Array.from({length: binsOf(job.spec)}, (_, i) => new Option(String(i + 1), String(i))));
  } catch (error) { failed(error); return; }
  const mapTimer = setInterval(() => showMap(id), MAP_MS);
  abort.signal.addEventListener("abort", () => clearInterval(mapTimer));
  $("bin").onchange = () => showMap(id);
  showMap(id);
  await stream(id, event => {
    if (event.type === "progress") showProgress(event);
    if (event.type === "state" || event.type === "log" || event.type === "end") addLog(event);
    if (event.type === "map") showMap(id);
    if (event.type === "sample" && !event.warmup) {
      for (const [name, value] of Object.entries(event.parameters)) (columns[name] ||= []).push(value);
      count++;
      stale = true;
    }
  }, abort.signal);
  if (abort.signal.aborted) return;
  drawCorner($("corner"), columns);
  $("samples").textContent = count;
  showMap(id);
  try { showJob(await getJson(`/v1/jobs/${id}`)); } catch (error) { failed(error); }
}

// ---- moving about ----

function navigate() {
  if (stopStream) stopStream();
  stopStream = null;
  const id = location.hash.slice(1), one = /^job_[a-z0-9]{26}$/.test(id);
  $("list").hidden = one;
  $("job").hidden = !one;
  for (const name of ["log", "job-progress", "job-state", "job-title"]) $(name).textContent = "";
  $("corner").replaceChildren();
  $("map").removeAttribute("src");
  $("samples").textContent = "0";
  $("job-bar").style.width = "0";
  if (one) openJob(id);
  else refreshList();
}

function showLogin() {
  $("forget").hidden = !sessionStorage.getItem("token");
}

$("login").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  showLogin();
  navigate();
});
$("forget").addEventListener("click", () => {
  sessionStorage.removeItem("token");
  showLogin();
  navigate();
});
window.addEventListener("hashchange", navigate);
setInterval(refreshList, REFRESH_MS);
showLogin();
navigate();
