"""What a manifest says of its studies, as columns, so that a million of them are read without an object for each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

LINE = re.compile(
    rb'\{"content": "(.{64})", ("labels": \[[0-9, ]*\], "split": "[^"\\]*"), "patient": (null|"[^"\\]*"), '
    rb'"origin": "([^"\\]*)"\},?\n'
)
"""A study as it is written, on a line of its own."""

LINE_BYTES = len(b'{"content": "", , "patient": , "origin": ""},\n') + 64
"""The bytes of a line, with its content and without its other values; the last one has no comma."""

HEXADECIMAL = b"0123456789abcdef"

BLOCK_BYTES, BLOCK_ROWS = 1 << 23, 1 << 16
"""How many bytes of lines are parsed, and how many rows are hashed at a time; they bound the memory."""

Codes = npt.NDArray[np.int32]
Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True, eq=False)
class StudyColumns:
    """The columns of N studies. Values that many studies share are kept once, and numbered in order of appearance.

    Attributes:
        contents: The hash of each image.
        label_sets: The combinations of labels that occur.
        labels: The number of each study's combination, `(N,) int32`.
        split_names: The splits that occur.
        splits: The number of each study's split, `(N,) int32`.
        patient_names: The patients.
        patients: The number of each study's patient, -1 for none, `(N,) int32`.
        origins: Where each image came from: texts, or their bytes in UTF-8.
    """

    contents: Sequence[str]
    label_sets: tuple[tuple[int, ...], ...]
    labels: Codes
    split_names: tuple[str, ...]
    splits: Codes
    patient_names: tuple[str, ...]
    patients: Codes
    origins: Sequence[str | bytes]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, tuple[int, ...], str, str | None, str]]) -> StudyColumns:
        """The columns of rows of content, labels, split, patient and origin."""
        columns: list[list[Any]] = [*map(list, zip(*rows, strict=True))] or [[], [], [], [], []]
        contents, labels, splits, patients, origins = columns
        return cls(contents, *_numbered(labels), *_numbered(splits), *_numbered(patients), origins)

    @classmethod
    def parse(cls, content: bytes, start: int, stop: int) -> StudyColumns | None:
        """The columns of the studies in `content[start:stop]`, one per line; None if a line is written otherwise."""
        contents: list[str] = []
        origins: list[bytes] = []
        kinds: dict[bytes, int] = {}
        patients: dict[bytes, int] = {b"null": -1}
        codes: list[tuple[Codes, Codes]] = []
        place, read = start, 0
        while place < stop:
            end = content.find(b"\n", place + BLOCK_BYTES, stop) + 1 or stop
            found = LINE.findall(content, place, end)
            if not found:
                return None
            hashes, kind, patient, origin = zip(*found, strict=True)
            read += LINE_BYTES * len(found) + sum(sum(map(len, column)) for column in (kind, patient, origin))
            codes.append((_codes(kind, kinds), _codes(patient, patients)))
            joined = b",".join(hashes)
            if joined.translate(None, HEXADECIMAL + b","):
                return None
            contents += joined.decode().split(",")
            origins += origin
            place = end
        if read != stop - start + 1:  # the last line has no comma
            return None
        of_kind = [json.loads(b"{" + one + b"}") for one in kinds]
        label_sets, labels = _numbered([tuple(one["labels"]) for one in of_kind])
        split_names, splits = _numbered([one["split"] for one in of_kind])
        which, who = (np.concatenate(column) for column in zip(*codes, strict=True))
        names = [one[1:-1].decode() for one in islice(patients, 1, None)]
        return cls(contents, label_sets, labels[which], split_names, splits[which], tuple(names), who, origins)

    def __len__(self) -> int:
        """The number of studies."""
        return len(self.contents)

    def row(self, number: int) -> tuple[str, tuple[int, ...], Any, str | None, str]:
        """Content, labels, split, patient and origin of one study."""
        patient, origin = int(self.patients[number]), self.origins[number]
        return (
            self.contents[number],
            self.label_sets[self.labels[number]],
            self.split_names[self.splits[number]],
            None if patient < 0 else self.patient_names[patient],
            origin if isinstance(origin, str) else origin.decode(),
        )

    def rows(self) -> Iterator[tuple[str, tuple[int, ...], Any, str | None, str]]:
        """As `row`, of all studies: faster than one by one."""
        patients = (*self.patient_names, None)  # the last one is that of -1
        return zip(
            self.contents,
            map(self.label_sets.__getitem__, self.labels.tolist()),
            map(self.split_names.__getitem__, self.splits.tolist()),
            map(patients.__getitem__, self.patients.tolist()),
            (origin if isinstance(origin, str) else origin.decode() for origin in self.origins),
            strict=True,
        )

    def in_splits(self, *names: str) -> npt.NDArray[np.int64]:
        """The positions of the studies of these splits, in stored order."""
        codes = [code for code, name in enumerate(self.split_names) if name in names]
        return np.flatnonzero(np.isin(self.splits, codes))

    def sha256(self, head: str) -> str:
        """The SHA-256 of `head` and a JSON list with content, labels, split and number of the patient of each study."""
        pairs = [
            f'",{json.dumps(labels, separators=(",", ":"))},{json.dumps(split, ensure_ascii=False)},'
            for labels in self.label_sets
            for split in self.split_names
        ]
        numbers = [*map(str, range(len(self.patient_names))), "null"]  # the last one is that of -1
        digest = hashlib.sha256(f"{head}[".encode())
        which = self.labels.astype(np.int64) * len(self.split_names) + self.splits
        for start in range(0, len(self), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            contents = self.contents[block]
            if len(json.dumps("".join(contents), ensure_ascii=False)) > sum(map(len, contents)) + 2:
                contents = [json.dumps(content, ensure_ascii=False)[1:-1] for content in contents]
            columns = zip(contents, which[block].tolist(), self.patients[block].tolist(), strict=True)
            rows = ",".join([f'["{content}{pairs[pair]}{numbers[patient]}]' for content, pair, patient in columns])
            digest.update(f",{rows}".encode() if start else rows.encode())
        digest.update(b"]]")
        return digest.hexdigest()


def _numbered(values: Sequence[Value | None]) -> tuple[tuple[Value, ...], Codes]:
    """The values that occur, and the number of each; -1 for None."""
    numbers: dict[Value | None, int] = {None: -1}
    codes = _codes(values, numbers)
    return tuple(value for value in numbers if value is not None), codes


def _codes(values: Sequence[Any], numbers: dict[Any, int]) -> Codes:
    """The numbers of `values`; new ones are added to `numbers`."""
    given = len(numbers) - (None in numbers or b"null" in numbers)
    new = [value for value in dict.fromkeys(values) if value not in numbers]
    numbers |= zip(new, range(given, given + len(new)), strict=True)
    return np.fromiter(map(numbers.__getitem__, values), dtype=np.int32, count=len(values))
