"""DICOM files a second, on disk and into the archive Orthanc, where it is installed, and that it gives back the same.

    python -m benchmarks.dicom_out [FILES]

writes a set of noise of 64 x 64 pixels as DICOM by one process and by one for each core, beside pydicom's own writing
and the PNG export, then sends 1,000 files by STOW-RS and by C-STORE to an Orthanc of its own and fetches them back.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread  # noqa: TID251

from gan_aug.compute.cores import cores
from gan_aug.config.export import ExportOptions, export_options
from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.export.archive.doors import ARCHIVES, send_set
from gan_aug.export.dicom.files import DicomFiles
from gan_aug.export.dicom.template import by_pydicom
from gan_aug.export.folder import iterate_files
from gan_aug.export.formats import FORMATS
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, write_bytes

SHARD = 4096
SENT = 1000


def write_noise(folder: Path, count: int) -> SyntheticManifest:
    """A set of noise of two labels."""
    shards = []
    for first in range(0, count, SHARD):
        images = np.random.default_rng(first).integers(0, 256, (min(SHARD, count - first), 1, 64, 64), np.uint8)
        name = f"{layout.shard(first // SHARD)}.npy"
        write_bytes(folder / name, shard_bytes(images))
        shards.append(SyntheticShard(name, first, len(images), file_sha256(folder / name)))
    made = SyntheticManifest(
        labels=("normal", "pneumonia"),
        task="multi-class",
        shape=(1, 64, 64),
        seed=1,
        checkpoint="b" * 64,
        dataset="d" * 64,
        trained_on=(),
        image_labels=tuple((k % 2,) for k in range(count)),
        shards=tuple(shards),
    )
    made.save(folder / layout.MANIFEST)
    return made


def timed(what: str, count: int, work: Callable[[], object]) -> None:
    """Do `work` on `count` files, and print the rate and the processor time."""
    began, before = time.perf_counter(), sum(os.times()[:4])
    work()
    seconds, processor = time.perf_counter() - began, sum(os.times()[:4]) - before
    print(f"{what:42} {count / seconds:8,.0f} files/s, {1000 * processor / count:.3f} ms of a core each")


def on_disk(folder: Path, count: int) -> None:
    """The rates of writing."""
    write_noise(folder / "set", count)
    for name, options, workers in (
        ("dicom", {}, 1),
        ("dicom", {}, cores()),
        ("dicom", {"frames": 100}, 1),
        ("dicom", {"syntax": "rle"}, 1),
        ("dicom", {"syntax": "jpeg-ls"}, 1),
        ("png", {}, 1),
    ):
        out = folder / f"{name}-{len(list(folder.iterdir()))}"
        wanted = export_options({"dicom": options})
        said = f"{name} {' '.join(f'{key}={value}' for key, value in options.items())} in {workers} processes"
        timed(said, count, lambda: FORMATS[name].write(folder / "set", out, wanted, workers=workers))  # noqa: B023
    paths = sorted((folder / "dicom-1").rglob("*.dcm"))[:500]
    datasets = [dcmread(path) for path in paths]
    for dataset in datasets:
        dataset.decode()
    timed("pydicom's writing of datasets at hand", len(paths), lambda: [by_pydicom(one) for one in datasets])


def to_orthanc(folder: Path) -> None:
    """The rates of sending, and that what comes back is what was sent."""
    from tests.support.dicom.orthanc import running_orthanc

    made = write_noise(folder / "sent", SENT)
    options = ExportOptions()
    files = [file.content for file in iterate_files(folder / "sent", made, DicomFiles(made, options))]
    for to in ARCHIVES:
        with running_orthanc(folder / f"orthanc-{to}", DicomServerEnabled=True) as archive:
            address = archive.web if to == "stow" else archive.dicom
            record = folder / f"{to}.jsonl"
            timed(
                f"{to} to Orthanc",
                SENT,
                lambda: send_set(ARCHIVES[to], address, folder / "sent", made, options, record, folder),  # noqa: B023
            )
            back = {str(one.SOPInstanceUID): one for one in (dcmread(BytesIO(file)) for file in archive.files())}
            sent = [dcmread(BytesIO(file)) for file in files]
            same = sum(back.get(str(one.SOPInstanceUID)) == one for one in sent)
            print(f"{'':42} {same} of {len(sent)} datasets came back equal")


def main() -> None:
    """Write, then send."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        on_disk(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
        to_orthanc(Path(folder))


if __name__ == "__main__":
    main()
