// The arrow keys go to the image before and after; the links do the same without this file.
"use strict";

const WAYS = { ArrowLeft: "prev", ArrowRight: "next" };

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !WAYS[event.key]) return;
  const link = document.querySelector(`a[rel="${WAYS[event.key]}"]`);
  if (link) link.click();
});
