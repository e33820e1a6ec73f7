// A job's page while the job runs: shows its events as they come. Without this script the page reloads itself instead.
"use strict";

const job = document.getElementById("job");
const root = document.body.dataset.root ?? "";
const path = `${root}/jobs/${job.dataset.job}`;
const api = `${root}/v1/jobs/${job.dataset.job}`;
const LINES = 200;
const LEFT_EVERY = 5000; // ms between two requests for how long it still takes
const SAMPLES_EVERY = 4000; // ms between two requests for a newer grid of samples
const SVG = "http://www.w3.org/2000/svg";
const find = (id) => document.getElementById(id);
const integer = (value) => Math.round(value).toLocaleString("en");

const losses = JSON.parse(find("losses").dataset.points);

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Draws the losses as lines over training images: `[[images, discriminator, generator], ...]`. */
function draw() {
  if (losses.length < 2) return;
  find("losses").hidden = false;
  const [width, height, left, bottom, top, right] = [560, 260, 48, 34, 10, 12];
  const values = losses.flatMap((point) => [point[1], point[2]]);
  const last = losses[losses.length - 1];
  let [low, high] = [Math.min(0, ...values), Math.max(...values)];
  if (high === low) high = low + 1;
  const x = (images) => left + ((width - left - right) * images) / last[0];
  const y = (loss) => height - bottom - ((height - bottom - top) * (loss - low)) / (high - low);
  const label = `Losses over ${integer(last[0])} training images: discriminator ${last[1].toFixed(2)}, ` +
    `generator ${last[2].toFixed(2)} at the end`;
  const chart = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (let step = 0; step <= 4; step += 1) {
    const loss = low + ((high - low) * step) / 4;
    chart.append(shape("line", { x1: left, x2: width - right, y1: y(loss), y2: y(loss), class: "grid" }));
    chart.append(shape("text", { x: left - 6, y: y(loss) + 4, "text-anchor": "end" }, loss.toFixed(2)));
  }
  chart.append(shape("text", { x: left, y: height - 12 }, "0"));
  chart.append(shape("text", { x: width - right, y: height - 12, "text-anchor": "end" }, `${integer(last[0])} images`));
  for (const [column, kind] of [[1, "first"], [2, "second"]]) {
    const points = losses.map((point) => `${x(point[0]).toFixed(1)},${y(point[column]).toFixed(1)}`).join(" ");
    chart.append(shape("polyline", { points, class: kind }));
  }
  find("chart").replaceChildren(chart);
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

/** The line of a stage; it is added if the stage is new. */
function stage(name) {
  const known = [...find("stages").children].find((line) => line.dataset.stage === name);
  if (known) return known;
  find("nothing-yet")?.remove();
  const line = document.createElement("li");
  line.dataset.stage = name;
  const [title, bar, status] = ["span", "progress", "span"].map((kind) => document.createElement(kind));
  title.className = "name";
  title.textContent = name;
  bar.setAttribute("aria-label", name);
  status.className = "status";
  status.textContent = "running";
  line.append(title, bar, status);
  find("stages").append(line);
  return line;
}

function progress(event) {
  const line = stage(event.stage);
  const [bar, status] = [line.querySelector("progress"), line.querySelector(".status")];
  line.classList.toggle("finished", event.kind === "finish");
  if (event.kind === "finish") {
    bar.max = bar.value = 1;
    status.textContent = event.message ? `done: ${event.message}` : "done";
  } else if (event.kind === "progress" && event.total) {
    bar.max = event.total;
    bar.value = event.done ?? 0;
    status.textContent = `${integer(event.done ?? 0)} of ${integer(event.total)} ${event.unit ?? ""}`;
  }
}

let announced = "";
/** Announces the progress to screen readers, in steps of a quarter. */
function announce(event) {
  const quarters = event.total ? Math.floor((4 * (event.done ?? 0)) / event.total) * 25 : 0;
  const text = event.kind === "finish" ? `${event.stage}: done` : `${event.stage}: ${quarters} %`;
  if (text !== announced) find("announcement").textContent = announced = text;
}

function log(event) {
  if (!event.message) return;
  const list = find("log");
  const below = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const line = document.createElement("li");
  const when = document.createElement("time");
  const where = document.createElement("span");
  if (event.kind === "note") line.className = "note";
  when.dateTime = new Date(1000 * event.time).toISOString();
  when.dataset.clock = "yes";
  when.textContent = `${when.dateTime.slice(11, 19)} UTC`;
  where.textContent = event.stage;
  line.append(when, " ", where, ` ${event.message}`);
  localTimes(line);
  list.append(line);
  while (list.children.length > LINES) list.firstElementChild.remove();
  if (below) list.scrollTop = list.scrollHeight;
}

let lastAsked = 0;
/** Says how long the job still takes. */
async function sayWhatIsLeft() {
  if (!find("left") || Date.now() - lastAsked < LEFT_EVERY) return;
  lastAsked = Date.now();
  const answer = await fetch(`${api}/remaining`);
  if (answer.ok) find("left").textContent = (await answer.json()).words;
}

let lastRequest = 0;
async function requestSamples() {
  if (Date.now() - lastRequest < SAMPLES_EVERY) return;
  lastRequest = Date.now();
  const answer = await fetch(`${path}/samples`);
  if (!answer.ok) return;
  const newest = (await answer.json()).filter((name) => name.startsWith("samples-")).pop();
  const address = `${path}/images/${newest}`;
  if (!newest || find("sample").getAttribute("src") === address) return;
  find("sample").src = find("sample-link").href = address;
  find("seen").textContent = integer(parseInt(newest.slice(8, 18), 10));
  find("samples").hidden = false;
}

function handle(message) {
  let event;
  try { event = JSON.parse(message.data); } catch { return; } // a line that a crash left incomplete
  if (event.kind !== "note") { // a note is no progress
    progress(event);
    announce(event);
  }
  log(event);
  sayWhatIsLeft().catch(() => {}); // the next request may succeed
  if (event.stage !== "train") return;
  if (event.values && "loss_d" in event.values && !event.values.gan) { // of several GANs, GAN 0
    losses.push([event.values.images ?? event.done, event.values.loss_d, event.values.loss_g]);
    drawSoon();
  }
  requestSamples().catch(() => {}); // the next request may succeed
}

function follow() {
  const source = new EventSource(`${api}/events`);
  let began = false;
  source.addEventListener("open", () => {
    if (began) return; // a reconnection goes on after the last event
    began = true;
    losses.length = 0;
    find("stages").replaceChildren();
    find("log").replaceChildren();
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return; // it reconnects by itself
    find("announcement").textContent = "The connection is lost: this page reloads in a moment.";
    setTimeout(() => location.reload(), 5000); // signed out, or the service is restarting
  });
  document.addEventListener("visibilitychange", () => {
    if (source.readyState === EventSource.CLOSED) return; // the job has ended, or the page is about to reload
    source.close();
    followWhileVisible();
  }, { once: true });
  for (const kind of ["start", "progress", "note", "finish"]) source.addEventListener(kind, handle);
  source.addEventListener("state", (message) => {
    const { state } = JSON.parse(message.data);
    find("state").textContent = state;
    find("state").className = `state ${state}`;
    if (state === "queued" || state === "running") return;
    source.close();
    location.reload(); // shows what the job has made, and what can be done now
  });
}

/** Follows the job while its tab is visible: browsers have few connections to one service, and each stream takes one. */
function followWhileVisible() {
  if (document.hidden) document.addEventListener("visibilitychange", followWhileVisible, { once: true });
  else follow();
}

draw();
if ("live" in job.dataset) followWhileVisible();
