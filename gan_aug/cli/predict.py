"""The command `predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug.run import layout


def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a run folder", show_default=False)],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="image or DICOM files", show_default=False)],
    arm: Annotated[str, typer.Option(help="whose classifier: real, synthetic, mixed, ...")] = "real",
    picture: Annotated[Path | None, typer.Option(help="PNG to write  [default: DIR/predictions.png]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Say label and probability for new images, with a classifier of the run's comparison."""
    sheet = picture or folder / layout.PREDICTIONS
    predictions = api.open(folder).predict(images, arm, picture=sheet)
    if as_json:
        print(json.dumps([row.to_json() for row in predictions], ensure_ascii=False, indent=2))  # noqa: T201
        return
    for row in predictions:
        likely = sorted(row.probabilities.items(), key=lambda pair: -pair[1])[:3]
        said = ", ".join(f"{label} {probability:.3f}" for label, probability in likely)
        print(f"{row.name}: {', '.join(row.labels) or 'none'} ({said})")  # noqa: T201
    print(f"picture in {sheet}")  # noqa: T201
