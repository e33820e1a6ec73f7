"""GAN augmentation for medical images: train, generate, compare, report.

    import gan_aug

    run = gan_aug.run("films.yaml", "runs/films")
    run.report.arms["mixed"].auc.value
    images = run.synthetic_images()  # a torch Dataset

`docs/reference/python.md` shows what there is. Importing the package loads none of it: a name is looked up when it is
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gan_aug.version import __version__

if TYPE_CHECKING:
    from gan_aug.api import Run, SyntheticSet, audit, open, resume, run  # noqa: A004 - they are called as gan_aug.open
    from gan_aug.config import Config
    from gan_aug.errors import GanAugError
    from gan_aug.evaluation.statistics.arrays import auc, compare
    from gan_aug.synthesis.generator import load_generator

__all__ = [
    "Config",
    "GanAugError",
    "Run",
    "SyntheticSet",
    "__version__",
    "auc",
    "audit",
    "compare",
    "load_generator",
    "open",
    "resume",
    "run",
]

_MODULES = {
    "Config": "gan_aug.config",
    "GanAugError": "gan_aug.errors",
    "Run": "gan_aug.api",
    "SyntheticSet": "gan_aug.api",
    "auc": "gan_aug.evaluation.statistics.arrays",
    "audit": "gan_aug.api",
    "compare": "gan_aug.evaluation.statistics.arrays",
    "load_generator": "gan_aug.synthesis.generator",
    "open": "gan_aug.api",
    "resume": "gan_aug.api",
    "run": "gan_aug.api",
}
"""Where each name is defined."""

# The package with the code of run folders has the name of the function `run`. Python puts a package into its parent
# when it loads it for the first time: that is done now, so that `gan_aug.run` is the function whatever comes later.
import_module("gan_aug.run")
del globals()["run"]


def __getattr__(name: str) -> Any:
    """The object of a name in `__all__`, loaded when it is first asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
