"""What the tests on a Ray share: its cluster, runs to compare, and settings."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_aug.compute.executor import Executor
from gan_aug.config import Config
from gan_aug.config.compute import ComputeConfig
from gan_aug.run.folder import RunDir
from gan_aug.stages.verbs import start


def free_port(first: int) -> int:
    """A port from `first` on; below 10000 are none that Ray hands to its workers."""
    for port in range(first, 10000):
        with socket.socket() as taken:
            if taken.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError(f"no port is free between {first} and 10000")


def alive(process: int) -> bool:
    """Whether it runs: a zombie only waits for whoever is to take note of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class RayCluster:
    """A head with two cores on this machine; `nodes` can be added and killed, `jobs` is the job API's address."""

    nodes: Any
    address: str
    jobs: str

    def add_node(self, cores: int) -> Any:
        """Add a node with so many cores; gives it once the head knows it."""
        node = self.nodes.add_node(wait=False, num_cpus=cores, object_store_memory=2**27)
        self.settle()
        return node

    def settle(self) -> None:
        """Wait until the head knows of every node that was added or killed."""
        self.nodes.wait_for_nodes(timeout=240)


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
