"""Damages DICOM files at random and imports them: no crash, no hang, bounded memory.

    python -m benchmarks.dicom_fuzz FOLDER [COUNT] [SEED]

Each damaged file is read in a worker process with a time and a memory limit. It prints how many files were read, how
many were rejected, and each that raised an unknown error, hung or killed its process. If there was one, it exits with
1.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import struct
import sys
import tempfile
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

SECONDS = 20.0
MEMORY = 6 * 2**30
PIXELS = 4_000_000
LIES = {"Rows": 0x0010, "Columns": 0x0011, "BitsAllocated": 0x0100, "BitsStored": 0x0101, "SamplesPerPixel": 0x0002}
FRAMES = b"\x28\x00\x08\x00"


def damaged(content: bytes, seed: int) -> bytes:
    """`content` with one kind of damage, chosen by `seed`."""
    draw = random.Random(seed)
    kind = draw.choice(("truncate", "flip", "flip-head", "lie", "frames"))
    changed = bytearray(content)
    if kind == "truncate":
        return content[: draw.randrange(len(content))]
    if kind == "lie":
        tag = struct.pack("<HH", 0x0028, draw.choice(list(LIES.values())))
        place = content.find(tag)
        if place >= 0:
            changed[place + 8 : place + 10] = struct.pack("<H", draw.choice((0, 1, 7, 24, 64, 999, 32767, 65535)))
        return bytes(changed)
    if kind == "frames" and (place := content.find(FRAMES)) >= 0:
        changed[place + 8 : place + 10] = draw.choice((b"99", b"-1", b"0 ", b"x "))
        return bytes(changed)
    end = min(len(content), 2000) if kind == "flip-head" else len(content)
    for _ in range(draw.choice((1, 4, 32))):
        changed[draw.randrange(end)] = draw.randrange(256)
    return bytes(changed)


def read_one(folder: Path) -> str:
    """Import the one file in `folder`; returns `read`, `aside` if it was rejected, or what else was raised."""
    from gan_aug.config.data import DataConfig
    from gan_aug.data.sources.open import open_source
    from gan_aug.errors import DataError

    values = {"label_from": "none", "max_pixels": PIXELS, "allow": ["burned-in", "ultrasound"], "frames": "middle"}
    try:
        source = open_source(DataConfig.model_validate({"source": "dicom", "root": folder, "dicom": values}))
        for item in source.items:
            item.read()
    except DataError:
        return "aside"
    except BaseException as error:  # noqa: BLE001 - these are the faults to find, such as panics of native codecs
        return f"raised {type(error).__name__}: {error}"
    return "read" if source.items else "aside"


def work(pipe: Connection) -> None:
    """Read the folders that the pipe names until it closes, in bounded memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as empty:
        pipe.send(read_one(Path(empty)))  # loads all modules, so that the first file's time does not include that
    while True:
        pipe.send(read_one(pipe.recv()))


def start() -> tuple[multiprocessing.Process, Connection]:
    """A worker and the pipe to it."""
    parent_end, child_end = multiprocessing.Pipe()
    worker = multiprocessing.Process(target=work, args=(child_end,), daemon=True)
    worker.start()
    child_end.close()
    parent_end.recv()
    return worker, parent_end


def fuzz(files: list[Path], count: int, seed: int = 0) -> Counter[str]:
    """Read damaged copies of files.

    Args:
        files: The files to damage.
        count: How many copies.
        seed: Of the first copy; the others follow.

    Returns:
        The outcomes and their numbers; everything except `read` and `aside` is a fault.
    """
    found: Counter[str] = Counter()
    worker, pipe = start()
    with tempfile.TemporaryDirectory() as place:
        for number in range(seed, seed + count):
            original = files[random.Random(number).randrange(len(files))]
            # A folder for each copy: the last dataset is cached by its path and would be taken for the next one.
            folder = Path(place) / str(number)
            folder.mkdir()
            (folder / "file").write_bytes(damaged(original.read_bytes(), number))
            pipe.send(folder)
            try:
                answer = pipe.recv() if pipe.poll(SECONDS) else "hung"
            except EOFError:
                worker.join()
                answer = f"killed its process ({worker.exitcode})"
            shutil.rmtree(folder)
            if answer in ("read", "aside"):
                found[answer] += 1
                continue
            found[f"{answer}: {original.name}, seed {number}"] += 1
            if not answer.startswith("raised"):
                worker.kill()
                worker.join()
                worker, pipe = start()
    worker.kill()
    worker.join()
    return found


def main() -> None:
    """Fuzz the files below the given folder."""
    folder, *rest = sys.argv[1:]
    count, seed = ([int(number) for number in rest] + [10_000, 0][len(rest) :])[:2]
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file() and 200 < path.stat().st_size < 2**20)
    found = fuzz(files, count, seed)
    for what, times in found.most_common():
        print(times, what)
    print("largest worker, MiB:", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
    sys.exit(bool(set(found) - {"read", "aside"}))


if __name__ == "__main__":
    main()
