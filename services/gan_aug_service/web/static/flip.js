// The arrow keys go to the previous and the next image. Without this script the links do the same.
"use strict";

const LINKS = { ArrowLeft: "prev", ArrowRight: "next" };

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !LINKS[event.key]) return;
  const link = document.querySelector(`a[rel="${LINKS[event.key]}"]`);
  if (link) link.click();
});
