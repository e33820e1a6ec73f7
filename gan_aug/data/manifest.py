"""The manifest: the studies of a data set with their labels, splits and patients.

It is the first link of the provenance chain. Every checkpoint, shard and report made from it records its fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import starmap
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from gan_aug.data.labels import positive_by_default
from gan_aug.data.study_columns import StudyColumns
from gan_aug.errors import DataError, ManifestError
from gan_aug.run.files import json_text, write_text
from gan_aug.run.stores import MissingObject, Place, read_file

Split = Literal["train", "validation", "test", "internal_test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""The splits that every data set has; some have an internal test beside them, see `Manifest.splits`."""
INTERNAL: Split = "internal_test"
"""Images of patients that were drawn from the training images and held out of everything but a second test."""
HELD_OUT: tuple[Split, ...] = ("validation", INTERNAL, "test")
"""The splits whose images nothing is trained on; a data set may have no internal test."""
NAMES: dict[Split, str] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "internal_test": "internal test",
}
"""What each split is called in sentences."""
Task = Literal["multi-class", "multi-label"]
SCHEMA = 1
STUDIES, END = b'"studies": [\n', b"]}\n"
"""How the list of studies begins and how it ends, with one study per line between."""


@dataclass(frozen=True)
class Study:
    """One image of the data set, as stored.

    Attributes:
        content: The SHA-256 of the stored pixels; see `content_hash`.
        labels: Positions in the manifest's label names. Exactly one for multi-class, any number for multi-label.
        split: The split. "unused" marks a training image that a subset leaves out; see `subsets`.
        patient: The keyed hash of the patient's identifier, or None if the data set names no patients.
        origin: Where the image came from, without identities.
    """

    content: str
    labels: tuple[int, ...]
    split: Split | Literal["unused"]
    patient: str | None
    origin: str


class Studies(Sequence[Study]):
    """The studies of a manifest that was read: made when they are asked for, and all at once if they are gone through.

    Attributes:
        columns: What they are made of.
    """

    def __init__(self, columns: StudyColumns) -> None:
        self.columns = columns
        self._all: tuple[Study, ...] | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, place: int) -> Study: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Study, ...]: ...
    def __getitem__(self, place: int | slice) -> Study | tuple[Study, ...]:
        rows = range(len(self))[place]
        return Study(*self.columns.row(rows)) if isinstance(rows, int) else tuple(self[row] for row in rows)

    def __iter__(self) -> Iterator[Study]:
        if self._all is None:
            self._all = tuple(starmap(Study, self.columns.rows()))
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Studies | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))


def content_hash(image: npt.NDArray[np.uint8]) -> str:
    """The SHA-256 of a stored image `(C, H, W) uint8`: its shape, then its bytes."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The studies of one data set in stored order: study i is stored image i.

    Attributes:
        name: The name of the data set.
        labels: The label names.
        task: Whether an image has exactly one label (`multi-class`) or any number of them (`multi-label`).
        shape: The shape of a stored image, `(C, H, W)`.
        studies: One entry for each stored image.
        positive: The label that means disease, or None if none was declared.
        flips: The mirrorings (`horizontal`, `vertical`) that leave the labels true.
        notes: Sentences that a report must repeat, such as how many images were dropped.
        patient_key: Which key hashed the patients: the first 16 hexadecimal digits of the key's SHA-256, never the key.
        splits_from: How the splits were made, for a report; None in manifests of versions that did not record it.
        near_copies: How many images look nearly the same as one of another split (`NearCopies`), for a report; None in
            manifests of versions that did not record it.
        no_internal_test: Why no internal test was drawn, as the rest of a sentence; None if there is one, and in
            manifests of versions that knew none.
    """

    name: str
    labels: tuple[str, ...]
    task: Task
    shape: tuple[int, int, int]
    studies: Sequence[Study]
    positive: str | None = None
    flips: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    patient_key: str | None = None
    splits_from: str | None = None
    near_copies: dict[str, Any] | None = None
    no_internal_test: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of everything that can change a result: pixels, labels, splits and who shares a patient.

        Patients are numbered in order of appearance. So the fingerprint does not depend on the key of their hashes.
        """
        head = json_text([self.labels, self.task, self.shape, self.positive])
        return self.columns.sha256(f"{head[:-1]},")

    @cached_property
    def columns(self) -> StudyColumns:
        """The studies as columns, which are faster than to go through a million studies."""
        if isinstance(self.studies, Studies):
            return self.studies.columns
        return StudyColumns.of((s.content, s.labels, s.split, s.patient, s.origin) for s in self.studies)

    def indices(self, split: Split) -> npt.NDArray[np.int64]:
        """The positions of the studies of `split` in stored order, `(M,) int64`."""
        return self.columns.in_splits(split)

    def contents(self, *splits: Split) -> set[str]:
        """The content hashes of the studies of these splits."""
        return {self.columns.contents[row] for row in self.columns.in_splits(*splits).tolist()}

    def label_matrix(self) -> npt.NDArray[np.float32]:
        """The labels as `(N, K) float32`: 1 at (i, k) if study i has label k, else 0."""
        columns = self.columns
        try:
            return multi_hot([*columns.label_sets], len(self.labels))[columns.labels]
        except DataError:  # it names the wrong study
            return multi_hot([columns.label_sets[number] for number in columns.labels], len(self.labels))

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """The splits that the data set has: SPLITS, and the internal test if one was drawn."""
        return (*SPLITS, INTERNAL) if INTERNAL in self.columns.split_names else SPLITS

    def counts(self) -> dict[Split, dict[str, int]]:
        """The number of studies per split and label."""
        matrix = self.label_matrix()
        return {
            split: {name: int(matrix[self.indices(split), k].sum()) for k, name in enumerate(self.labels)}
            for split in self.splits
        }

    @property
    def positive_index(self) -> int | None:
        """The position of the label that means disease; if none was declared, the second of two classes, else None."""
        if self.positive is not None:
            return self.labels.index(self.positive)
        return 1 if self.task == "multi-class" and len(self.labels) == 2 else None

    @property
    def positive_by_default(self) -> str | None:
        """That a label counts as the disease only because it is the second of two, as sentences; else None."""
        index = self.positive_index
        return None if self.positive or index is None else positive_by_default(self.labels, self.labels[index])

    def save(self, path: Path) -> None:
        """Write the manifest as JSON, one study per line. The file appears complete or not at all."""
        header = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "studies"}
        head = json.dumps({"schema": SCHEMA, "fingerprint": self.fingerprint, **header}, indent=1, ensure_ascii=False)
        rows = ",\n".join(json.dumps(vars(study), ensure_ascii=False) for study in self.studies)
        write_text(path, f"{head[:-2]},\n {STUDIES.decode()}{rows}\n{END.decode()}")

    @classmethod
    def load(cls, path: Place) -> Manifest:
        """Read a manifest; raises ManifestError if it is absent, incomplete or altered since it was written."""
        head, columns = _parted(_read(path, "manifest"))
        record = _parsed(head, path, "manifest")
        fingerprint = record.pop("fingerprint", None)
        try:
            rows = record.pop("studies")
            studies: Sequence[Study] = (
                Studies(columns) if columns else tuple(Study(**{**row, "labels": tuple(row["labels"])}) for row in rows)
            )
            tuples: dict[str, Any] = {key: tuple(record.pop(key)) for key in ("labels", "shape", "flips", "notes")}
            manifest = cls(studies=studies, **tuples, **record)
        except (KeyError, TypeError) as error:
            raise ManifestError(f"{path} lacks or mistypes {error}: import the data set again") from error
        if manifest.fingerprint != fingerprint:
            raise ManifestError(f"{path} was altered after it was written: import the data set again")
        return manifest


def _parted(content: bytes) -> tuple[bytes, StudyColumns | None]:
    """The JSON object of a manifest without studies, and these; all of it and None if they are written otherwise."""
    start, stop = content.find(STUDIES) + len(STUDIES), len(content) - len(END)
    columns = StudyColumns.parse(content, start, stop) if start >= len(STUDIES) and content.endswith(END) else None
    return (content[:start] + END if columns else content), columns


def read_record(path: Place, what: str) -> dict[str, Any]:
    """The JSON object in the file `path`, without its schema number.

    Args:
        path: The file or object to read.
        what: What it should be, as error messages name it.

    Raises:
        ManifestError: If it is absent, is not valid JSON, or has another schema.
    """
    return _parsed(_read(path, what), path, what)


def _read(path: Place, what: str) -> bytes:
    try:
        return read_file(path)
    except MissingObject as error:
        raise ManifestError(f"no {what} at {path}: run the stage that makes it first") from error


def _parsed(content: bytes, path: Place, what: str) -> dict[str, Any]:
    try:
        record = json.loads(content.decode())
    except ValueError as error:
        raise ManifestError(f"{path} is not valid JSON: remove it and run the stage that makes it again") from error
    if not isinstance(record, dict) or record.pop("schema", None) != SCHEMA:
        raise ManifestError(f"{path} is not a {what} of schema {SCHEMA}: make it again with this version")
    return record


def multi_hot(labels: list[tuple[int, ...]], count: int) -> npt.NDArray[np.float32]:
    """Label positions as `(N, count) float32` of zeros and ones; raises DataError if a position is out of range."""
    matrix = np.zeros((len(labels), count), dtype=np.float32)
    for row, positions in enumerate(labels):
        for position in positions:
            if not 0 <= position < count:
                raise DataError(f"label position {position} of study {row} is outside 0 to {count - 1}")
            matrix[row, position] = 1.0
    return matrix
