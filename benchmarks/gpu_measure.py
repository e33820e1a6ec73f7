"""What `benchmarks.gpu` measures with: seconds, counted products, and the table that is written as it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gan_aug.gan.device.arithmetic import Precision, arithmetic

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")

EVERY = 8
"""Steps from one gradient penalty to the next."""

SECONDS, PRODUCT = (2.0, 8192) if GPU else (0.0, 64)
"""How long one thing is timed, and the side of the large matrices."""

Step = Callable[[], object]


def seconds_of(step: Step, warm: int, least: int) -> float:
    """The seconds of a step, over SECONDS and at least `least` steps, after `warm` ones; in whole penalty rounds."""
    for _ in range(warm):
        step()
    wait()
    began, done = time.perf_counter(), 0
    while done < least or time.perf_counter() - began < SECONDS:
        for _ in range(min(EVERY, least)):
            step()
        wait()
        done += min(EVERY, least)
    return (time.perf_counter() - began) / done


def wait() -> None:
    """Wait until the GPU has done all."""
    if GPU:
        torch.cuda.synchronize()


def products_per_second(precision: Precision) -> float:
    """The rate of one large product of matrices, in multiplications and additions per second."""
    left = torch.randn(PRODUCT, PRODUCT, device=DEVICE)
    with arithmetic(DEVICE, precision):
        return 2 * PRODUCT**3 / seconds_of(lambda: left @ left, 2, 1)


class Work(TorchDispatchMode):
    """Counts the multiplications and additions of convolutions and products of matrices within a block, as `done`."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation and count it."""
        made = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.done += int(count(*args, **(kwargs or {}), out_val=made))
        return made


class Table:
    """What was found so far, written after every part."""

    def __init__(self, out: Path, minutes: float) -> None:
        self._out, self._ends = out, time.monotonic() + 60 * minutes
        name = torch.cuda.get_device_name() if GPU else "no GPU: a small form that shows no speed"
        self.found: dict[str, Any] = {"device": name, "torch": str(torch.__version__), "cuda": torch.version.cuda}
        out.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, part: Callable[[], Any], needs: float = 0.0) -> Any:
        """Do a part that takes about so many seconds, unless there is no time left or it fails, and write the table."""
        began = time.monotonic()
        if began + needs > self._ends:
            self.found[name] = {"skipped": "there was no time left"}
        else:
            try:
                self.found[name] = part()
            except (RuntimeError, OSError, ValueError) as error:
                self.found[name] = {"failed": str(error).splitlines()[0]}
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        (self._out / "table.json").write_text(json.dumps(self.found, indent=2) + "\n")
        (self._out / "table.md").write_text(markdown(self.found))
        return self.found[name]


def markdown(found: dict[str, Any]) -> str:
    """The table for people."""
    lines = [f"# GAN training on {found['device']}", "", "| part | what | value |", "|---|---|---|"]
    for name, part in found.items():
        entries = part.items() if isinstance(part, dict) else [("", part)]
        lines += [f"| {name} | {what} | {shown(value)} |" for what, value in entries]
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """A value with three digits."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
