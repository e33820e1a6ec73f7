"""Jobs on a cluster, as their keeper sees them: a stand-in for Ray's job API that dies, forgets and does not answer.

The same on a real Ray: tests/cluster/test_service_on_ray.py.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from gan_aug.compute.cluster.named_jobs import JobState, NamedJobs, Phase
from gan_aug.errors import ComputeError, ConfigError
from gan_aug_service.queue.ray_runner import RAY_RECORD, RayRunner
from gan_aug_service.queue.runner import JobRef, ProcessStatus
from gan_aug_service.settings import Settings

WORK = JobRef("job", "run", 1)
FIRST, SECOND = "gan-aug-job-1-1", "gan-aug-job-1-2"


class Cluster:
    """Ray's job API: what it was sent, and how that stands."""

    address = "http://head:8265"

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self.commands: list[str] = []
        self.there = True
        self.dies: Literal["", "before", "after"] = ""
        self.refuses = ""

    def answers(self) -> bool:
        return self.there

    def submit(self, name: str, command: str, modules: Sequence[Path], environment: dict[str, str]) -> None:
        if self.dies == "before":
            raise KeyboardInterrupt
        if self.refuses or not self.there:
            raise ComputeError(self.refuses or "away")
        assert {module.name for module in modules} == {"gan_aug", "gan_aug_service"}
        if name not in self.phases:
            self.phases[name] = "waiting"
            self.commands.append(command)
        if self.dies == "after":
            raise KeyboardInterrupt

    def state(self, name: str) -> JobState:
        if not self.there:
            raise ComputeError("away")
        return JobState(self.phases.get(name, "unknown"), "said by ray")

    def stop(self, name: str) -> None:
        if not self.there:
            raise ComputeError("away")
        self.phases[name] = "ended"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def runner(tmp_path: Path, cluster: Cluster) -> RayRunner:
    """A runner whose job's request was written, as the supervisor does before it starts one."""
    made = another(tmp_path, cluster)
    with made.locked(WORK) as free:
        assert free
    return made


def another(folder: Path, cluster: Cluster) -> RayRunner:
    """A runner as a service just started has it."""
    made = RayRunner(Settings(folder, data=folder), cluster.address)
    made._jobs = cluster  # type: ignore[assignment]
    return made


def begin(folder: Path, cluster: Cluster, name: str, attempt: int = 1) -> None:
    """The job's process begins on some node."""
    cluster.phases[name] = "working"
    said = {"pid": 4711, "started": 1, "start": 1, "attempt": attempt}
    (folder / "processes" / "job" / "process.json").write_text(json.dumps(said))


def test_a_job_is_sent_once_works_and_ends(runner: RayRunner, cluster: Cluster, tmp_path: Path) -> None:
    assert runner.status(WORK) == ProcessStatus("lost")
    runner.start(WORK)
    runner.start(WORK)
    assert list(cluster.phases) == [FIRST]
    command, _, log = cluster.commands[0].partition(" >> ")
    record = tmp_path / "processes" / "job"
    assert shlex.split(command) == [
        *(
            "python",
            "-m",
            "gan_aug_service.queue.job_process",
            str(record),
            "1",
            str(tmp_path / "runs" / "run"),
            "0",
            "ray",
        ),
    ]
    assert log == f"{record / 'log'} 2>&1"
    assert runner.status(WORK) == ProcessStatus("starting")
    cluster.phases[FIRST] = "working"
    assert runner.status(WORK) == ProcessStatus("starting")
    begin(tmp_path, cluster, FIRST)
    assert runner.status(WORK) == ProcessStatus("alive", 1, 4711, 1)
    (record / "end-1.json").write_text('{"exit": 0}')
    assert runner.status(WORK).kind == "alive"  # Ray has not seen it end
    cluster.phases[FIRST] = "ended"
    assert runner.status(WORK) == ProcessStatus("ended", 1, 4711, 1, {"exit": 0})


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_the_sending_it_is_sent_once(
    runner: RayRunner, cluster: Cluster, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    cluster.dies = when
    with pytest.raises(KeyboardInterrupt):
        runner.start(WORK)
    cluster.dies = ""
    later = another(tmp_path, cluster)
    assert later.status(WORK) == ProcessStatus("starting")
    assert later.status(WORK) == ProcessStatus("starting")
    assert (list(cluster.phases), len(cluster.commands)) == ([FIRST], 1)


def test_a_killed_process_is_lost_and_sent_under_the_next_number(
    runner: RayRunner, cluster: Cluster, tmp_path: Path
) -> None:
    runner.start(WORK)
    begin(tmp_path, cluster, FIRST)
    cluster.phases[FIRST] = "ended"
    assert runner.status(WORK).kind == "lost"
    runner.start(WORK)
    assert cluster.phases == {FIRST: "ended", SECOND: "waiting"}
    assert runner.status(WORK).kind == "starting"
    cluster.phases[SECOND] = "ended"  # it could not even begin: that counts too
    for number in (3, 4):
        runner.start(WORK)
        cluster.phases[f"gan-aug-job-1-{number}"] = "ended"
    assert (runner.status(WORK).kind, runner.status(WORK).attempt) == ("lost", 3)


def test_a_cluster_that_does_not_answer_is_waited_for(runner: RayRunner, cluster: Cluster, tmp_path: Path) -> None:
    cluster.there = False
    runner.start(WORK)
    assert json.loads((tmp_path / "processes" / "job" / RAY_RECORD).read_text()) == {"start": 1, "number": 1}
    assert runner.status(WORK) == ProcessStatus("starting")
    assert cluster.phases == {}
    cluster.there = True
    assert runner.status(WORK) == ProcessStatus("starting")
    assert cluster.phases == {FIRST: "waiting"}
    begin(tmp_path, cluster, FIRST)
    cluster.there = False
    assert runner.status(WORK).kind == "alive"
    runner.kill(WORK)
    assert cluster.phases == {FIRST: "working"}
    (tmp_path / "processes" / "job" / "end-1.json").write_text('{"exit": 0}')
    assert runner.status(WORK).kind == "ended"  # its own word is enough


def test_a_cluster_that_forgot_a_job_that_had_begun_has_lost_it(
    runner: RayRunner, cluster: Cluster, tmp_path: Path
) -> None:
    runner.start(WORK)
    begin(tmp_path, cluster, FIRST)
    cluster.phases.clear()
    assert runner.status(WORK).kind == "lost"
    runner.start(WORK)
    assert cluster.phases == {FIRST: "waiting"}


def test_what_a_cluster_refuses_is_said(runner: RayRunner, cluster: Cluster, tmp_path: Path) -> None:
    cluster.refuses = "no token"
    with pytest.raises(ComputeError, match="no token"):
        runner.start(WORK)
    assert runner.status(WORK) == ProcessStatus("lost")
    assert runner.last_log_line(WORK) == "said by ray"
    (tmp_path / "processes" / "job" / "log").write_text("no such module\n\n")
    assert runner.last_log_line(WORK) == "no such module"


def test_another_start_of_a_job_is_another_name(runner: RayRunner, cluster: Cluster, tmp_path: Path) -> None:
    runner.start(WORK)
    begin(tmp_path, cluster, FIRST)
    cluster.phases[FIRST] = "ended"
    again = JobRef("job", "run", 2)
    assert runner.status(again) == ProcessStatus("lost")
    runner.start(again)
    assert cluster.phases == {FIRST: "ended", "gan-aug-job-2-1": "waiting"}


def test_killing_stops_what_waits_or_works_and_nothing_else(
    runner: RayRunner, cluster: Cluster, tmp_path: Path
) -> None:
    runner.kill(WORK)
    runner.start(WORK)
    runner.kill(WORK)
    assert cluster.phases == {FIRST: "ended"}


def test_the_database_is_nothing_that_jobs_know(runner: RayRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "postgresql://user:secret@host/name")
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    environment: Any = runner._environment()
    assert environment.pop("GAN_AUG_DATA")
    # Empty, as a node may have them for the sampler's sake.
    assert environment == {
        "RAY_ADDRESS": "head:6379", "GAN_AUG_DATABASE_URL": "", "PGPASSWORD": "", "PGPASSFILE": ""
    }  # fmt: skip


def test_an_address_that_is_none_is_refused_when_the_service_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="127.0.0.1:6379 is not where Ray takes jobs"):
        RayRunner(Settings(tmp_path), "127.0.0.1:6379")
    assert not NamedJobs("http://127.0.0.1:1").answers()
