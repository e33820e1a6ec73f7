"""What the tests on a Ray share: its cluster, runs to compare, and settings."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_aug.compute.executor import Executor
from gan_aug.config import ComputeConfig, Config
from gan_aug.run import RunDir
from gan_aug.workflows import start


@dataclass
class RayCluster:
    """A head with two cores on this machine; `nodes` can be added and killed, `jobs` is the job API's address."""

    nodes: Any
    address: str
    jobs: str


@dataclass(frozen=True)
class Same:
    """Runs that begin with a trained GAN, and what they must end in."""

    made_here: Path
    request: Config

    def begin(self, run: Path) -> RunDir:
        """A new run folder with the data set and the trained GAN, and no more."""
        for stage in ("dataset", "train"):
            shutil.copytree(self.made_here / stage, run / stage)
        return RunDir(run)

    def make(self, verb: str, run: RunDir, executor: Executor) -> None:
        start(verb, self.request, run, executor)

    def check_set(self, run: Path) -> None:
        """The synthetic set in `run` is the one made here, byte for byte."""
        ours, theirs = ({p.name: p.read_bytes() for p in synthetic_files(folder)} for folder in (self.made_here, run))
        assert theirs.keys() == ours.keys()
        assert [name for name in ours if ours[name] != theirs[name]] == []

    def check_report(self, run: Path) -> None:
        """The comparison in `run` says what the one made here says."""
        reports = [json.loads((folder / "report.json").read_text()) for folder in (self.made_here, run)]
        ours, theirs = ({k: v for k, v in r.items() if k not in ("environment", "timing")} for r in reports)
        assert theirs == ours


def synthetic_files(run: Path) -> list[Path]:
    files = sorted(path for path in (run / "synthetic").iterdir() if path.name != "request.json")
    assert any(path.name == "manifest.json" for path in files)
    return files


def compute(**changes: object) -> ComputeConfig:
    return ComputeConfig.model_validate({"device": "cpu", "workers": 2, **changes})
