"""Export to WebDataset: tar files whose members with one stem are an image and what is said of it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from typing import ClassVar

from gan_aug.export.card import Reading, is_single
from gan_aug.export.folder import Numbers
from gan_aug.export.shards import ShardFiles


class WebdatasetFiles(ShardFiles):
    """A set as `train-*.tar` of `INDEX.cls` (the label's position), `INDEX.json` and `INDEX.png` with its mark.

    Sets of images with several labels have no `.cls`; the names of an image's labels are in its JSON.
    """

    name: ClassVar[str] = "train-{:06d}.tar"
    reading: ClassVar[Reading] = Reading(
        "*.tar",
        "Members with one stem belong together: `.png`, `.cls` (the position of the label, if each image has one) and "
        "`.json` (the names of its labels, and what it was made from).",
        "import glob\n\nimport webdataset\n\n"
        'data = webdataset.WebDataset(sorted(glob.glob("train-*.tar")), shardshuffle=False).decode("pil")\n'
        'next(iter(data))["png"]  # a PIL image',
    )

    def content(self, numbers: Numbers, files: Sequence[bytes]) -> bytes:
        """See ShardFiles."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for number, file in zip(numbers, files, strict=True):
                for suffix, content in self._sample(number, file):
                    member = tarfile.TarInfo(f"{number:08d}.{suffix}")  # of the time 0, and of nobody
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return tar.getvalue()

    def _sample(self, number: int, file: bytes) -> Iterator[tuple[str, bytes]]:
        from gan_aug.data.pictures.marks import FLAG, SOURCE_TYPE

        made = self.manifest
        if is_single(made):
            yield "cls", str(made.image_labels[number][0]).encode()
        facts = {FLAG: True, "digital_source_type": SOURCE_TYPE, **made.made_from(number)}
        yield "json", json.dumps(facts, ensure_ascii=False).encode()
        yield "png", file
