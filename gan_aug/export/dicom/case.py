"""Who a synthetic case is: its patient id and UIDs, derived from what its images were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_aug.config.export import DicomExport
from gan_aug.data.synthetic.shards import UNKNOWN

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest


@dataclass(frozen=True)
class Case:
    """A synthetic case: one patient, one study, one series, one file.

    `first` is the position in the set of its first image.
    """

    first: int
    patient_id: str
    study_uid: str
    series_uid: str
    instance_uid: str


class Cases:
    """The cases with the same labels.

    A study is named by the checkpoint, the seed, the labels and the positions of its images: by all on which these
    images depend. Series and instance are named by the form of the file too, since an archive keeps one of two files
    with the same UID.
    """

    def __init__(self, manifest: SyntheticManifest, labels: Sequence[str], options: DicomExport) -> None:
        # Images of another program have no checkpoint: there the set itself is named.
        checkpoint = manifest.fingerprint if manifest.checkpoint == UNKNOWN else manifest.checkpoint
        self._origin = hashlib.sha256(_canonical([checkpoint, manifest.seed, list(labels)]))
        several = b"several" if options.frames > 1 else b""
        self._patient = hashlib.sha256(self._origin.digest() + several).hexdigest()[:12]
        self._form = hashlib.sha256(_canonical(options.model_dump(mode="json"))).digest()

    def of(self, numbers: Sequence[int]) -> Case:
        """The case of the images at these positions."""
        digest = self._origin.copy()
        digest.update(_canonical([int(number) for number in numbers]))
        study, form = digest.digest(), self._form
        series, instance = (hashlib.sha256(role + study + form).digest() for role in (b"series", b"instance"))
        patient = f"SYN-{self._patient}-{numbers[0]:08d}"
        return Case(numbers[0], patient, uid(study), uid(series), uid(instance))


def uid(digest: bytes) -> str:
    """A DICOM UID made from a SHA-256: `2.25.` and a UUID of version 8 (RFC 9562; PS3.5, annex B.2) as a number."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return f"2.25.{number}"


def _canonical(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()


def uid_of_name(name: str) -> str:
    """A fixed UID of a thing with this name."""
    return uid(hashlib.sha256(name.encode()).digest())
