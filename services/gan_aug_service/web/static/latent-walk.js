// Shows one frame of a walk at a time, chosen with a slider. Without this script the whole strip is shown.
"use strict";

const HEIGHT = 256;

for (const figure of document.querySelectorAll(".latent-walk")) {
  const frames = Number(figure.dataset.frames);
  const height = Number(figure.dataset.height);
  const width = Number(figure.dataset.width);
  const image = figure.querySelector("img");
  const slider = figure.querySelector("input");
  const output = figure.querySelector("output");
  const description = image.alt;

  const show = () => {
    const frame = Number(slider.value);
    image.style.objectPosition = `${((frame - 1) / (frames - 1)) * 100}% 0`;
    image.alt = `Frame ${frame} of: ${description}`;
    output.value = `${frame} of ${frames}`;
    slider.setAttribute("aria-valuetext", output.value);
  };

  figure.classList.add("one");
  const scale = Math.max(1, Math.round(HEIGHT / height));
  image.style.width = `${width * scale}px`;
  image.style.aspectRatio = `${width} / ${height}`;
  slider.closest("p").hidden = false;
  slider.addEventListener("input", show);
  show();
}
