"""Images of points of the latent space, with what each was made from; they can be looked at, and written to disk."""

from __future__ import annotations

import csv
import io
import json
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures.marks import FLAG, SOURCE_TYPE, SYNTHETIC, archive_marks
from gan_aug.data.pictures.png import png
from gan_aug.data.pictures.sheet import captioned_sheet
from gan_aug.errors import StorageError
from gan_aug.run.files import atomic_folder, write_bytes
from gan_aug.synthesis.latents import Latent

IMAGES = "images"
"""The folder of the images in the folder that is written: a classifier can be asked about it, without the sheet."""

INDEX = "index.csv"
SHEET = "sheet.png"
WEIGHTS_SHOWN = 4
"""Labels whose weights stand below an image of a sheet, at most."""


@dataclass(frozen=True)
class Scores:
    """What a classifier says of the images.

    Attributes:
        classifier: Which one, as JSON values.
        probabilities: Of each label, `(N, K) float64`.
    """

    classifier: Mapping[str, Any]
    probabilities: npt.NDArray[np.float64]


@dataclass(frozen=True)
class LatentImages:
    """Some synthetic images, and the points of the latent space from which they can be made again.

    Attributes:
        images: `(N, C, H, W) uint8`.
        latents: The point of each image.
        labels: The names of the labels.
        checkpoint: The id of the checkpoint that made them.
        scores: What a classifier says of them, if one was asked.
        search: What was searched for, as JSON values, if they are the cases that were found.
    """

    images: npt.NDArray[np.uint8]
    latents: tuple[Latent, ...]
    labels: tuple[str, ...]
    checkpoint: str
    scores: Scores | None = None
    search: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def to_json(self) -> dict[str, Any]:
        """All but the pixels, as JSON values: what each image was made from, and what the classifier says of it."""
        return self._origin() | {"images": [self._record(k) for k in range(len(self))]}

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The name and content of each file of the folder: the images as PNG, a sheet of them, and `index.csv`."""
        names = [f"{IMAGES}/{k:03d}.png" for k in range(len(self))]
        for k, name in enumerate(names):
            yield name, png(self.images[k], made_from=self._origin() | self._record(k))
        yield from archive_marks(self._origin() | {"images": len(self)})
        yield SHEET, self.sheet()
        yield INDEX, self._table(names).encode()

    def sheet(self) -> bytes:
        """A PNG of all images, each with its labels, its noise and the classifier's answer below it."""
        return captioned_sheet(
            self.images, [self.caption(k) for k in range(len(self))], self._heading(), made_from=self.to_json()
        )

    def npz(self) -> bytes:
        """An npz that numpy reads without pickle: `images` `(N, C, H, W) uint8`, their mark, and `made_from` (JSON)."""
        buffer = io.BytesIO()
        made_from = json.dumps({FLAG: True, **self.to_json()}, ensure_ascii=False)
        np.savez_compressed(
            buffer,
            images=self.images,
            synthetic=np.array(True),
            digital_source_type=np.array(SOURCE_TYPE),
            made_from=np.array(made_from),
        )
        return buffer.getvalue()

    def save(self, out: str | Path) -> None:
        """Write the images: a sheet if `out` ends in .png, arrays if it ends in .npz, else a folder of files.

        Raises StorageError if there is something at `out` already, or it has the ending of another kind of file.
        """
        out = Path(out)
        check_out(out)
        if out.suffix.lower() == ".png":
            write_bytes(out, self.sheet())
        elif out.suffix.lower() == ".npz":
            write_bytes(out, self.npz())
        else:
            with atomic_folder(out) as folder:
                (folder / IMAGES).mkdir()
                for name, content in self.files():
                    (folder / name).write_bytes(content)

    def _origin(self) -> dict[str, Any]:
        """What all images share: the checkpoint, the classifier, the search."""
        asked = {
            "classifier": self.scores and dict(self.scores.classifier),
            "search": self.search and dict(self.search),
        }
        return {"checkpoint": self.checkpoint} | {name: value for name, value in asked.items() if value}

    def _record(self, k: int) -> dict[str, Any]:
        latent = self.latents[k]
        to_seed, to_number = latent.toward or (None, None)
        record = {
            "labels": dict(zip(self.labels, latent.weights, strict=True)),
            "seed": latent.seed,
            "number": latent.number,
            "to_seed": to_seed,
            "to_number": to_number,
            "position": latent.position,
            "truncation": latent.truncation,
        }
        return record | ({"probabilities": self._probabilities(k)} if self.scores else {})

    def _probabilities(self, k: int) -> dict[str, float]:
        return dict(zip(self.labels, self.scores.probabilities[k].tolist(), strict=True)) if self.scores else {}

    def _table(self, names: list[str]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        of_latent = ["seed", "number", "to_seed", "to_number", "position", "truncation"]
        weights = [f"weight of {label}" for label in self.labels]
        probabilities = [f"probability of {label}" for label in self.labels] if self.scores else []
        classifier = ["arm", "cell"] if self.scores else []
        writer.writerow(["file", "checkpoint", *of_latent, *weights, *probabilities, *classifier])
        asked = [self.scores.classifier[name] for name in classifier] if self.scores else []
        for k, name in enumerate(names):
            record = self._record(k)
            own = ["" if record[column] is None else record[column] for column in of_latent]
            row = [name, self.checkpoint, *own, *self.latents[k].weights, *self._probabilities(k).values(), *asked]
            writer.writerow(row)
        return text.getvalue()

    def _heading(self) -> str:
        by = f", scored by the classifier of the arm {self.scores.classifier['arm']}" if self.scores else ""
        return f"{SYNTHETIC}; GAN {self.checkpoint[:12]}{by}"

    def caption(self, k: int) -> list[str]:
        """The lines that describe image k: its labels, its noise, the classifier's answer; all images have the same."""
        latent = self.latents[k]
        mixed = any(0 < weight < 1 for other in self.latents for weight in other.weights)
        used = [n for n in range(len(self.labels)) if any(other.weights[n] for other in self.latents)]
        if mixed:
            lines = [f"{self.labels[n]} {latent.weights[n]:.2f}" for n in used[:WEIGHTS_SHOWN]]
        else:
            lines = [", ".join(self.labels[n] for n in used if latent.weights[n]) or "no label"]
        lines.append(f"seed {latent.seed}" + (f", image {latent.number}" if latent.number else ""))
        if any(other.toward for other in self.latents):
            lines.append(_toward(latent))
        if any(other.truncation != 1 for other in self.latents):
            lines.append(f"truncation {latent.truncation:.2f}")
        if self.scores:
            answers = self._probabilities(k)
            lines += [f"classifier: {label} {answers[label]:.2f}" for label in self._in_question()]
        return lines

    def _in_question(self) -> list[str]:
        """The labels whose probabilities stand on a sheet: the one that was searched for, or those of the last image.

        If the last image has no label, they are those of the first one.
        """
        if self.search:
            return [self.search["of"]]
        ends = [[name for name, w in zip(self.labels, self.latents[k].weights, strict=True) if w] for k in (-1, 0)]
        return ends[0] or ends[1]


def check_out(out: Path) -> None:
    """Check that images can be written at `out`; raises StorageError if something is there, or would look like another.

    An empty folder may be there.
    """
    if out.suffix.lower() in (".png", ".npz"):
        if out.exists():
            raise StorageError(f"{out} exists: choose another --out, or remove it")
    elif mimetypes.guess_type(out.name)[0]:
        raise StorageError(f"{out}: --out is a .png for a sheet, an .npz for arrays, or a folder")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(f"{out} exists and is not empty: choose another --out, or remove it")


def _toward(latent: Latent) -> str:
    """How far the noise of a point lies on the way to that of another image, for people; empty if it does not."""
    if latent.toward is None:
        return ""
    seed, number = latent.toward
    there = [f"seed {seed}"] * (seed != latent.seed) + [f"image {number}"] * (number > 0 or seed == latent.seed)
    return f"{latent.position:.0%} to {', '.join(there)}"
