// Uploads a zip of class folders, and fills its path into the form.
"use strict";

const zip = document.getElementById("zip");
const send = document.getElementById("send");
const sent = document.getElementById("sent");
const faults = document.getElementById("faults");
if (faults) faults.focus();

function failed(reason) {
  sent.textContent = `Not uploaded: ${reason}`;
  send.disabled = false;
}

function done(answer) {
  document.getElementById("data-root").value = answer.root;
  const source = document.getElementById("data-source");
  if (!source.value || source.value === "digits") source.value = "folder";
  sent.textContent = `${answer.files.toLocaleString("en")} files of ${answer.title} are there as ${answer.root}`;
  send.disabled = false;
}

if (zip) {
  zip.addEventListener("change", () => { send.disabled = !zip.files.length; });
  send.addEventListener("click", () => {
    const request = new XMLHttpRequest();
    request.open("POST", `${document.body.dataset.root ?? ""}/v1/uploads?${new URLSearchParams({ name: zip.files[0].name.slice(0, 500) })}`);
    request.setRequestHeader("Content-Type", "application/zip");
    request.setRequestHeader("X-CSRF-Token", document.querySelector("#new [name=csrf_token]").value);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) sent.textContent = `${Math.floor((100 * event.loaded) / event.total)} % sent`;
    });
    request.addEventListener("load", () => {
      if (request.status === 201) done(request.response);
      else failed(request.response?.detail ?? `status ${request.status}`);
    });
    request.addEventListener("error", () => failed("the service does not answer"));
    send.disabled = true;
    sent.textContent = "Sending";
    request.send(zip.files[0]);
  });
}
