"""What a GAN had seen before its training started: the images of other trainings, as keyed hashes.

A training may start from the GAN of another run. Whether that GAN saw a validation or test image must stay provable
when the other run is gone, so a hash of each image that it saw is kept beside the training. The hashes are keyed, and
the key follows from the content hashes of all images of this run's data set, which no file but its manifest holds: a
copy of the list alone says of no image whether it is in there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from gan_aug.data.manifest import Manifest
from gan_aug.errors import ManifestError
from gan_aug.run.files import json_sha256, write_json

SCHEMA = 1


def seen_key(contents: Iterable[str]) -> bytes:
    """The key of the hashes in a run whose data set has images of these content hashes."""
    return hashlib.sha256(json_sha256(["images seen before", sorted(set(contents))]).encode()).digest()


@dataclass(frozen=True)
class SeenBefore:
    """The images that the GAN saw from which a training started, and those before it, each as a keyed hash."""

    hashes: frozenset[str]

    @classmethod
    def of(cls, contents: Collection[str], manifest: Manifest, before: SeenBefore | None, theirs: bytes) -> SeenBefore:
        """What a training on `manifest` keeps of the GAN that it starts from.

        Args:
            contents: The content hashes of the images that this GAN was trained on.
            manifest: The data set of the training that starts.
            before: What this GAN had seen before itself, under the key `theirs`. Its images are known by hashes alone.
                Those that are in `contents` or in `manifest` are found; the others' hashes are hashed once more.
            theirs: The key of `before`.

        Returns:
            Hashes under the key of `manifest`.
        """
        key = seen_key(study.content for study in manifest.studies)
        found = {_hash(key, content) for content in contents}
        known = {_hash(theirs, content): content for content in {*contents, *(s.content for s in manifest.studies)}}
        return cls(frozenset(found | {_hash(key, known.get(old, old)) for old in (before.hashes if before else ())}))

    def among(self, manifest: Manifest) -> set[str]:
        """The content hashes of the images of `manifest`, whose key it is, that were seen."""
        contents = {study.content for study in manifest.studies}
        key = seen_key(contents)
        return {content for content in contents if _hash(key, content) in self.hashes}

    @property
    def sha256(self) -> str:
        """The SHA-256 of all hashes together; a checkpoint names them by it."""
        return json_sha256(sorted(self.hashes))

    def save(self, path: Path) -> None:
        """Write the hashes as JSON."""
        write_json(path, {"schema": SCHEMA, "hashes": sorted(self.hashes)})

    @classmethod
    def load(cls, path: Path) -> SeenBefore | None:
        """Read what `save` wrote; None if there is no such file. Raises ManifestError if it is damaged."""
        try:
            return cls(frozenset(map(str, json.loads(path.read_text(encoding="utf-8"))["hashes"])))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"{path} is damaged: start the training anew") from error


def _hash(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
