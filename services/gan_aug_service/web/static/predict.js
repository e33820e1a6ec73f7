// Sends images to a classifier, one after the other, and shows what it says of each.
"use strict";

const form = document.getElementById("ask");
const input = document.getElementById("image");
const drop = document.getElementById("drop");
const said = document.getElementById("said");

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function percent(value) {
  if (value > 0 && value < 0.001) return "below 0.1 %";
  if (value < 1 && value > 0.999) return "above 99.9 %";
  return `${(100 * value).toFixed(1)} %`;
}

function shown(section, answer) {
  for (const one of answer.predictions) {
    if (one.frame) section.append(element("h3", `Frame ${one.frame}`));
    section.append(element("p", one.labels.length ? one.labels.join(", ") : "none of the labels", "answer"));
    const table = element("table");
    const body = table.createTBody();
    table.createCaption().textContent = `How probable each label is, by the classifier trained on “${answer.arm}”`;
    const ordered = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]);
    for (const [label, value] of ordered) {
      const row = body.insertRow();
      const head = element("th", label);
      head.scope = "row";
      row.append(head);
      row.insertCell().textContent = percent(value);
    }
    section.append(table);
    if (one.unlike) {
      section.append(element("p", "Caution: this image is unlike the training images, so what is said of it means little.", "fault"));
    } else if (one.unlike === null) {
      section.append(element("p", "Whether this image is like the training images is not known: they are no longer here."));
    }
    for (const what of one.assumed) section.append(element("p", `Assumed to read it: ${what}`));
  }
}

async function ask(file) {
  const section = element("section");
  section.append(element("h2", file.name));
  const waiting = element("p", "Reading");
  section.append(waiting);
  said.prepend(section);
  const ending = file.name.match(/(\.nii)?\.[A-Za-z0-9]{1,15}$/);
  const query = new URLSearchParams({ arm: form.arm.value, name: ending ? `image${ending[0]}` : "" });
  try {
    const answer = await fetch(`${document.body.dataset.root ?? ""}${form.dataset.address}?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", "X-CSRF-Token": form.csrf_token.value },
      body: file,
    });
    const content = await answer.json();
    waiting.remove();
    if (answer.ok) shown(section, content);
    else section.append(element("p", content.detail ?? `status ${answer.status}`, "fault"));
  } catch {
    waiting.remove();
    section.append(element("p", "The service does not answer: try again later.", "fault"));
  }
}

async function askAll(files) {
  for (const file of files) await ask(file);
  input.value = "";
}

input.addEventListener("change", () => askAll([...input.files]));
form.addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragover", "dragenter"]) {
  form.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
form.addEventListener("dragleave", () => drop.classList.remove("over"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  askAll([...event.dataTransfer.files]);
});
