"""The library: start a run, open it, read it. The command line and the service's jobs call it too.

    run = gan_aug.run("films.yaml", "runs/films")
    run.report.arms["mixed"].auc.ci95

Heavy packages are loaded when a function needs them. Errors are those of `gan_aug.errors`, each with one sentence for
people.
"""

from __future__ import annotations

from gan_aug.api.audits import audit
from gan_aug.api.opened import Run, Where
from gan_aug.api.sets import SyntheticSet
from gan_aug.api.start import inspect, open, plan, resume, run  # noqa: A004 - they are called as gan_aug.open

__all__ = ["Run", "SyntheticSet", "Where", "audit", "inspect", "open", "plan", "resume", "run"]
