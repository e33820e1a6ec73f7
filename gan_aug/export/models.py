"""The list of formats that a trained model can be exported to.

The command line and the service read it. The command line shows it in its help, so PyTorch is loaded only when a model
is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Literal

from gan_aug.errors import ComputeError
from gan_aug.export.streams import zip_of
from gan_aug.run.files import atomic_folder

if TYPE_CHECKING:
    from gan_aug.gan.state import Checkpoint

File = tuple[str, bytes]
"""A file's name, a path with forward slashes, and its content."""

SECONDS = 600.0
"""How long the files of a model may take to be made."""

_ONE_AT_A_TIME = Lock()
"""Held while another process makes the files of a model: each takes half a gigabyte of memory."""


@dataclass(frozen=True)
class ModelFormat:
    """A format of many files: a folder on disk, a zip of it as a download.

    Attributes:
        name: What `gan-aug export --to` and `?format=` call it.
        title: What the pages call it.
        description: What it is, in a few words.
        files: Makes the files of a checkpoint's averaged generator, given what the privacy audit found in sentences.
    """

    name: str
    title: str
    description: str
    files: Callable[[Checkpoint, str], list[File]]

    kind: ClassVar = "folder"
    suffix: ClassVar = ".zip"
    media_type: ClassVar = "application/zip"

    @property
    def download(self) -> str:
        """What a download of it is, in a few words."""
        return f"a zip of {self.description}"

    def write(self, checkpoint: Checkpoint, out: Path, audited: str) -> None:
        """Write the averaged generator as the folder `out`, whole or not at all.

        Args:
            checkpoint: The trained GAN.
            out: The folder.
            audited: What the privacy audit found, in sentences.

        Raises:
            StorageError: `out` exists and is not an empty folder, or the disk refuses.
            CheckpointError: The checkpoint is absent or altered.
        """
        with atomic_folder(out) as folder:
            for name, content in self.files(checkpoint, audited):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def stream(self, checkpoint: Checkpoint, audited: str) -> Iterator[bytes]:
        """The averaged generator as the bytes of a zip; nothing is written to disk.

        Another process makes the files, all of them before the first byte: PyTorch is patched while a network is
        traced, which threads of this one would notice.

        Args:
            checkpoint: The trained GAN.
            audited: What the privacy audit found, in sentences.

        Returns:
            The bytes, in parts.

        Raises:
            CheckpointError: The checkpoint is absent or altered.
            ComputeError: The process died, for instance for want of memory.
        """
        from gan_aug.compute.local.crash_safe_pool import CrashSafePool, Lost

        with _ONE_AT_A_TIME, CrashSafePool(1, SECONDS) as pool:
            (made,) = pool.map(self._files, [(checkpoint, audited)])
        if isinstance(made, Lost):
            raise ComputeError(f"the process that makes the {self.title} ended: try again when more memory is free")
        return zip_of((name, [content]) for name, content in made)

    def _files(self, given: tuple[Checkpoint, str]) -> list[File]:
        return self.files(*given)


def _bundle(checkpoint: Checkpoint, audited: str) -> list[File]:
    from gan_aug.export.bundle.files import bundle_files

    return [*bundle_files(checkpoint, audited)]


MODEL_FORMATS: dict[str, ModelFormat] = {
    row.name: row
    for row in (ModelFormat("bundle", "MONAI Bundle", "the trained generator as a MONAI Bundle", _bundle),)
}
"""Every format by its name, in the order in which people see them."""


if TYPE_CHECKING:
    ModelFormatName = str
else:
    ModelFormatName = Literal[tuple(MODEL_FORMATS)]
    """The type of a parameter that takes a format's name."""
