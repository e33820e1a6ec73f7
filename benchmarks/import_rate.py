"""The rate of imports: our whole import beside a plain loop that decodes and resizes in one process.

    python -m benchmarks.import_rate [--source csv|dicom] [--files 6000] [--side 512] [--rounds 3] [--size 64]

The files are made for the run: noisy films with sides of `--side` pixels, as JPEG with a table or as 12-bit DICOM. The
plain loop decodes and resizes images and keeps the arrays. Our import also hashes, splits, searches near-duplicates and
writes store, report and manifest. Rounds alternate. Processor time counts what all processes use, with their start:
beside other work it tells more than the rates, and its ratio times `--workers` is what quiet cores allow.

Then the same import is measured again with the cache of decoded images, and its peak of private memory (RssAnon, parent
and workers together) for a tenth of the files and for all.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

# Workers import this module when they start; they must not import more than under the command line.
if TYPE_CHECKING:
    from gan_aug.config.data import DataConfig
    from gan_aug.data.reading.image_cache import CacheFolder


def picture(number: int, noise: np.ndarray) -> np.ndarray:
    """A film to write: smooth with some noise, so that it compresses like a film; each number gives another one."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(40, 216, (12, 12), dtype=np.uint8)).resize(noise.shape)
    shifted = np.roll(noise, rng.integers(0, len(noise), 2), (0, 1))
    return (np.asarray(coarse) + shifted).clip(0, 255).astype(np.uint8)


def write_files(folder: Path, count: int, source: str, side: int = 512) -> None:
    """Write image files and the table that names them.

    Args:
        folder: Where to.
        count: How many files.
        source: `csv` for JPEG files, `dicom` for DICOM files.
        side: The sides of the images in pixels.
    """
    noise = np.random.default_rng(0).normal(0, 3, (side, side))
    rows = ["file,label,patient"]
    for number in range(count):
        pixels = picture(number, noise)
        name = f"{number}.{'jpg' if source == 'csv' else 'dcm'}"
        content = jpeg(pixels) if source == "csv" else dicom(pixels, number)
        (folder / name).write_bytes(content)
        rows.append(f"{name},{'ab'[number % 2]},p{number // 2}")
    (folder / "index.csv").write_text("\n".join(rows))


def jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def dicom(pixels: np.ndarray, number: int) -> bytes:
    """A 12-bit DICOM file, explicit little endian."""
    from pydicom.dataset import Dataset, FileMetaDataset  # noqa: TID251 - the benchmark makes its own files
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid  # noqa: TID251

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = SecondaryCaptureImageStorage
    file.SOPInstanceUID = generate_uid(entropy_srcs=[str(number)])
    file.PatientID, file.Modality = f"p{number // 2}", "DX"
    file.PhotometricInterpretation, file.SamplesPerPixel, file.PixelRepresentation = "MONOCHROME2", 1, 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.Rows, file.Columns = pixels.shape
    file.PixelData = (pixels.astype("<u2") << 4).tobytes()
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def config(folder: Path, asked: argparse.Namespace, count: int | None = None) -> DataConfig:
    """The config section `data` for the files in a folder.

    Args:
        folder: The folder of the files.
        asked: The options of the command line.
        count: Import only so many files.

    Returns:
        The section.
    """
    from gan_aug.config.data import DataConfig

    columns = {"patient": "patient"}
    values = {"source": asked.source, "root": folder, "size": asked.size, "channels": 1, "columns": columns}
    if asked.source == "dicom":
        values["table"] = folder / "index.csv"
        values["dicom"] = {"label_key": "file"}
    return DataConfig.model_validate(values | ({"limit": count // 2} if count else {}))


def processor_seconds() -> float:
    """The processor time of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def plain_loop(data: DataConfig, folder: Path) -> float:
    """Images per second of a loop that decodes and resizes one file after the other, as a user would write it."""
    from pydicom import dcmread  # noqa: TID251 - the reference is pydicom's own decoding

    start = time.perf_counter()
    kept = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".dcm":
            image = Image.fromarray(dcmread(path).pixel_array.astype(np.float32))
        elif path.suffix == ".jpg":
            image = Image.open(path)
        else:
            continue
        kept.append(np.asarray(image.resize((data.size, data.size), Image.Resampling.LANCZOS)))  # type: ignore[arg-type]
    return len(kept) / (time.perf_counter() - start)


def our_import(data: DataConfig, out: Path, workers: int, cache: CacheFolder | None = None) -> float:
    """Run a whole import.

    Args:
        data: The config section.
        out: The data set's folder.
        workers: How many processes.
        cache: The cache of decoded images, if one is used.

    Returns:
        Images per second.
    """
    from gan_aug.data.importing.dataset import import_dataset

    start = time.perf_counter()
    manifest = import_dataset(data, 0, out, workers=workers, cache=cache)
    return len(manifest.studies) / (time.perf_counter() - start)


def rss_anon(pid: int) -> int:
    """The private memory of a process and its children, in bytes."""
    total = 0
    for process in [pid, *children(pid)]:
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            continue  # it has just ended
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    return total


def children(pid: int) -> list[int]:
    """The child processes of `pid`."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return found


def peak_memory(data: DataConfig, workers: int) -> int:
    """The peak of private memory of an import in a new process and its workers, in bytes."""
    code = (
        "import sys; from pathlib import Path; from gan_aug.config.data import DataConfig\n"
        "from gan_aug.data.importing.dataset import import_dataset\n"
        "import_dataset(DataConfig.model_validate_json(sys.argv[1]), 0, Path(sys.argv[2]), workers=int(sys.argv[3]))"
    )
    with tempfile.TemporaryDirectory() as out:
        process = subprocess.Popen([sys.executable, "-c", code, data.model_dump_json(), out, str(workers)])  # noqa: S603
        peak, done = 0, threading.Event()
        while not done.wait(0.02):
            peak = max(peak, rss_anon(process.pid))
            if process.poll() is not None:
                done.set()
        if process.returncode:
            sys.exit("the import failed")
    return peak


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, float]:
    """All figures of one source."""
    from gan_aug.data.reading.image_cache import CacheFolder

    data = config(folder / "files", asked)
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    used: dict[str, list[float]] = {"plain": [], "ours": []}
    for number in range(asked.rounds):
        marks = [processor_seconds()]
        rates["plain"].append(plain_loop(data, folder / "files"))
        marks.append(processor_seconds())
        rates["ours"].append(our_import(data, folder / f"out{number}", asked.workers))
        marks.append(processor_seconds())
        used["plain"].append((marks[1] - marks[0]) / asked.files * 1e3)
        used["ours"].append((marks[2] - marks[1]) / asked.files * 1e3)
    cache = folder / "cache"
    first = our_import(data, folder / "first", asked.workers, CacheFolder(cache, 10**10))
    again = [
        our_import(data, folder / f"again{n}", asked.workers, CacheFolder(cache, 10**10)) for n in range(asked.rounds)
    ]
    plain, ours, cached = (statistics.median(found) for found in (rates["plain"], rates["ours"], again))
    few, many = (
        peak_memory(config(folder / "files", asked, n), asked.workers) for n in (asked.files // 10, asked.files)
    )
    return {
        "plain loop, images/s": plain,
        "import, images/s": ours,
        "ratio": ours / plain,
        "plain loop, processor ms an image": statistics.median(used["plain"]),
        "import, processor ms an image": statistics.median(used["ours"]),
        "first import with cache, images/s": first,
        "import again, images/s": cached,
        "again / first": cached / first,
        f"peak MB at {asked.files // 10} files": few / 1e6,
        f"peak MB at {asked.files} files": many / 1e6,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", choices=("csv", "dicom"), default="csv")
    parser.add_argument("--files", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=512, help="pixels a side of the files")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        write_files(folder / "files", asked.files, asked.source, asked.side)
        time.sleep(2.5)  # files that changed just now are not cached
        figures = measure(asked, folder)
    if asked.json:
        print(json.dumps(figures))
        return
    for what, value in figures.items():
        print(f"{what:34} {value:10,.2f}")


if __name__ == "__main__":
    main()
