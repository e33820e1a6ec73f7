// Sends a zip, or files and folders packed into one here, and goes on to the page that says what was found.
"use strict";

const area = document.getElementById("drop");
const root = document.body.dataset.root ?? "";
const sent = document.getElementById("sent");
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});
const MOST = 0xffffffff; // a zip of this kind counts its bytes in 32 bits

async function checksum(file) {
  let crc = MOST;
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return (crc ^ MOST) >>> 0;
    for (const byte of value) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  }
}

function record(signature, fields) {
  const view = new DataView(new ArrayBuffer(4 + fields.reduce((sum, [size]) => sum + size, 0)));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

/** Packs files into a zip without compression: images hardly get smaller. `files` are [path, file]. */
async function pack(files) {
  const parts = [], directory = [];
  let offset = 0, length = 0;
  for (const [number, [path, file]] of files.entries()) {
    sent.textContent = `Packing ${(number + 1).toLocaleString("en")} of ${files.length.toLocaleString("en")}`;
    const name = new TextEncoder().encode(path), crc = await checksum(file);
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc], [4, file.size], [4, file.size], [2, name.length], [2, 0]];
    parts.push(record(0x04034b50, common), name, file);
    directory.push(record(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    offset += 30 + name.length + file.size;
    length += 46 + name.length;
    if (offset + length > MOST) throw new Error("they are more than 4 GB together: send a zip");
  }
  if (files.length > 65535) throw new Error("they are more than 65,535 files: send a zip");
  const end = [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]];
  return new Blob([...parts, ...directory, record(0x06054b50, end)], { type: "application/zip" });
}

function send(zip, name) {
  const request = new XMLHttpRequest();
  request.open("POST", `${root}/v1/uploads?${new URLSearchParams({ name: name.slice(0, 500) })}`);
  request.setRequestHeader("Content-Type", "application/zip");
  request.setRequestHeader("X-CSRF-Token", area.querySelector("[name=csrf_token]").value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) sent.textContent = `${Math.floor((100 * event.loaded) / event.total)} % sent`;
  });
  request.addEventListener("load", () => {
    if (request.status === 201) location.assign(`${root}/data/look?${new URLSearchParams({ root: request.response.root })}`);
    else sent.textContent = `Not uploaded: ${request.response?.detail ?? `status ${request.status}`}`;
  });
  request.addEventListener("error", () => { sent.textContent = "Not uploaded: the service does not answer"; });
  sent.textContent = "Sending";
  request.send(zip);
}

async function take(files) {
  try {
    if (!files.length) return;
    const [[path, first]] = files;
    if (files.length === 1 && /\.zip$/i.test(first.name)) { send(first, first.name); return; }
    const top = path.includes("/") ? path.split("/")[0] : `${files.length} files`;
    send(await pack(files), top);
  } catch (error) {
    sent.textContent = `Not uploaded: ${error.message}`;
  }
}

/** The files of what was dropped, folders at any depth, as [path, file]. */
async function dropped(entry, above = "") {
  if (entry.isFile) return [[above + entry.name, await new Promise((found, failed) => { entry.file(found, failed); })]];
  const reader = entry.createReader(), all = [];
  for (;;) {
    const some = await new Promise((found, failed) => { reader.readEntries(found, failed); });
    if (!some.length) break;
    for (const one of some) all.push(...await dropped(one, `${above}${entry.name}/`));
  }
  return all;
}

if (area) {
  for (const id of ["files", "folder"]) {
    document.getElementById(id).addEventListener("change", (event) => {
      take([...event.target.files].map((file) => [file.webkitRelativePath || file.name, file]));
    });
  }
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => { area.classList.remove("over"); });
  area.addEventListener("drop", async (event) => {
    event.preventDefault();
    area.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const found = [];
    for (const entry of entries) found.push(...await dropped(entry));
    take(found);
  });
}
