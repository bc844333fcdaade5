"use strict";
const by = id => document.getElementById(id);
const kept = { rate: [], p50: [], p99: [], active: [] };
let before = null;

function seconds(value) {
  if (value === null || value === undefined) return "";
  return value < 10 ? value.toFixed(1) + " s" : Math.round(value) + " s";
}

function fill(body, template, rows) {
  const made = rows.map(row => {
    const one = by(template).content.cloneNode(true);
    for (const cell of one.querySelectorAll("[data-of]")) {
      const value = row[cell.dataset.of];
      cell.textContent = cell.dataset.of.endsWith("_s") ? seconds(value) : value ?? "";
    }
    return one;
  });
  by(body).replaceChildren(...made);
}

// The upper bound of the bucket in which the share lies, in milliseconds.
function percentile(counts, bounds, share) {
  const wanted = counts.reduce((sum, count) => sum + count, 0) * share;
  if (!wanted) return null;
  let sum = 0;
  const at = counts.findIndex(count => (sum += count) >= wanted);
  return at < bounds.length ? bounds[at] : bounds[bounds.length - 1];
}

function draw(name, value, text) {
  const values = kept[name];
  values.push(value ?? 0);
  if (values.length > 60) values.shift();
  const most = Math.max(...values, 1e-9);
  by(name).textContent = text;
  by(name + "-line").setAttribute("points", values.map((v, i) => `${i},${19 - 18 * v / most}`).join(" "));
}

function show(now) {
  if (before) {
    const passed = now.at - before.at;
    const rate = (now.requests - before.requests) / passed;
    const fresh = now.durations.map((count, i) => count - before.durations[i]);
    draw("rate", rate, rate < 10 ? rate.toFixed(1) : Math.round(rate));
    for (const [name, share] of [["p50", .5], ["p99", .99]]) {
      const ms = percentile(fresh, now.bounds, share);
      draw(name, ms, ms === null ? "–" : "≤ " + ms + " ms");
    }
  }
  before = now;
  draw("active", now.active, now.active);
  by("open").textContent = now.open;
  by("queued").textContent = now.queued;
  by("errors").textContent = now.errors;
  by("workers").textContent = now.workers.join(" of ");
  fill("connections", "connection", now.connections);
  fill("lanes", "lane", now.lanes.map(lane => ({ ...lane, process: `${lane.process} ${lane.pid}` })));
  by("says").textContent = now.problem || [now.draining ? "the server is draining" : "live, once a second", ...now.deaf.map(stuck)].join("; ");
}

function stuck(pid) {
  return `process ${pid} gives no answer (it is stuck in C code, say), so its connections are unknown`;
}

const events = new EventSource("events");
events.onmessage = event => show(JSON.parse(event.data));
events.onerror = () => { by("says").textContent = "no connection to the server; trying again"; };
