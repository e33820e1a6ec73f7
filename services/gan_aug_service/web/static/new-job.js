// The form for a new job: says what is wrong with it while one types. Without this script the button Check does.
"use strict";

const form = document.getElementById("new");
const said = document.getElementById("quick");
const QUIET = 800; // ms after the last key before the form is looked at
let timer = 0;
let newest = 0;

async function look() {
  const number = (newest += 1);
  const body = new URLSearchParams(new FormData(form));
  const answer = await fetch(`${document.body.dataset.root ?? ""}/new/quick`, { method: "POST", body });
  if (!answer.ok || number !== newest) return;
  const { faults, estimate } = await answer.json();
  said.classList.toggle("fault", faults.length > 0);
  said.textContent = faults.length ? faults.join("; ") : estimate ?? "";
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => look().catch(() => {}), QUIET); // the button Start looks again
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "check") return;
  said.classList.remove("fault");
  said.textContent = "Looking at the data …";
});
