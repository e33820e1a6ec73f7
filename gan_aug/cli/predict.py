"""The command `predict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug.cli.progress import shown_progress
from gan_aug.errors import DataError
from gan_aug.run import layout

if TYPE_CHECKING:
    from gan_aug.stages.predict import FilePrediction, Predictions


def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a run folder", show_default=False)],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="image or DICOM files, or folders of them", show_default=False),
    ],
    arm: Annotated[str, typer.Option(help="whose classifier: real, synthetic, mixed, ...")] = "real",
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="CSV to write: file, label, probabilities, unlike")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to write  [default: DIR/predictions.png]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Say label and probability for new images, and which are unlike the training images of the run."""
    sheet = picture or folder / layout.PREDICTIONS
    with shown_progress() as listener:
        found = api.open(folder).predict(images, arm, picture=sheet, table=table, progress=listener)
    if as_json:
        print(json.dumps([row.to_json() for row in found], ensure_ascii=False, indent=2))  # noqa: T201
    else:
        lines = [_line(row) for row in found if row.error is None]
        if lines:
            print("\n".join([*lines, *_notes(found), f"picture in {sheet}"]))  # noqa: T201
            if table:
                print(f"table in {table}")  # noqa: T201
    _refuse(found)


def _line(row: FilePrediction) -> str:
    likely = sorted(row.probabilities.items(), key=lambda pair: -pair[1])[:3]
    said = ", ".join(f"{label} {probability:.3f}" for label, probability in likely)
    return f"{row.name}: {', '.join(row.labels) or 'none'} ({said}){_unlike(row)}"


def _unlike(row: FilePrediction) -> str:
    """That an image is unlike the training images, and in which way."""
    if not row.unlike or row.distance is None or row.detail is None:
        return ""
    by = [
        f"{value:.1f} times the limit {what}"
        for value, what in ((row.distance, "in distance"), (row.detail, "in fine detail"))
        if value > 1
    ]
    return f"  UNLIKE the training images: {', '.join(by)}"


def _notes(found: Predictions) -> list[str]:
    """What is to be known of the whole."""
    notes = []
    whole = len(found) - len(found.failed)
    if found.likeness is None:
        notes.append("whether images are unlike the training images is not known: the run no longer has its images")
    else:
        unlike = sum(bool(row.unlike) for row in found)
        notes.append(f"{unlike} of {whole} images are unlike the training images: {found.likeness.describe()}")
    if found.passed_over:
        notes.append(f"{found.passed_over} other files in the folders are no images")
    if assumed := found.describe_assumed():
        notes.append(assumed)
    return notes


def _refuse(found: Predictions) -> None:
    """Raise DataError if files could not be read; if there are several, each is named in a line of its own first."""
    failed = found.failed
    if not failed:
        return
    if len(failed) == 1:
        raise DataError(str(failed[0].error))
    for row in failed:
        print(f"gan-aug: {row.error}", file=sys.stderr)  # noqa: T201
    raise DataError(f"{len(failed)} files could not be read, which are named above; the others are labelled")
