"""The service's jobs as Ray jobs: found again, never twice, stopped, and started again where they were killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.queue.ray_runner import RAY_RECORD, RayRunner
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.settings import Limits
from tests.support.places import ROOT
from tests.support.ray_samples import RayCluster, alive
from tests.support.service.service_samples import TINY, Service

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning"),  # Ray's call of aiohttp
]
LONG: dict[str, Any] = {"train": {"images": 10**6, "batch": 2}}
SHORT: dict[str, Any] = {"train": {"images": 4, "batch": 2}}
SECONDS = 240


@pytest.fixture
def service(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose jobs run on the cluster, and its queue kept by the test."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)  # other clusters may be on this host
    with Service(tmp_path / "state", None, Limits(rate=1e6, burst=10**6), ray=cluster.jobs) as made:
        yield made


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs count instead of training (stand_in_job.py)."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "services")])
    monkeypatch.setattr(RayRunner, "python", ("env", f"PYTHONPATH={path}", "python"))
    monkeypatch.setattr(RayRunner, "module", "tests.support.service.stand_in_job")


class QueueOwner:
    """A keeper of the queue, as a service just started has it: it knows what is written down and no more."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.runner = RayRunner(service.settings, str(service.settings.ray))
        self.supervisor = Supervisor(service.settings, service.components.database, self.runner)

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self.supervisor.tick()
            if found := condition():
                return found
            time.sleep(0.2)
        raise TimeoutError

    def state(self, job: dict[str, Any]) -> str:
        return str(self.service.call("GET", f"/v1/jobs/{job['id']}").json()["state"])

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        self.until(lambda: self.state(job) in ("done", "failed", "cancelled"))
        found: dict[str, Any] = self.service.call("GET", f"/v1/jobs/{job['id']}").json()
        return found

    def process(self, job: dict[str, Any]) -> int:
        """The process of a job that counts."""
        path = self.service.settings.processes / job["id"] / "process.json"
        counter = self.service.settings.runs / job["run"] / "count.json"
        self.until(lambda: path.exists() and counter.exists())
        return int(json.loads(path.read_text())["pid"])


def starts(service: Service, job: dict[str, Any]) -> int:
    return (service.settings.runs / job["run"] / "events.jsonl").read_text().count('"kind": "start"')


def number(service: Service, job: dict[str, Any]) -> int:
    return int(json.loads((service.settings.processes / job["id"] / RAY_RECORD).read_text())["number"])


def test_a_real_verb_is_done_on_the_cluster(service: Service) -> None:
    job = service.submit("import")
    ended = QueueOwner(service).ended(job)
    assert (ended["state"], ended["attempt"], ended["problem"]) == ("done", 1, None)
    assert service.call("GET", f"/v1/datasets/{job['run']}").json()["name"] == "digits"
    assert (
        f"joined the Ray cluster at {os.environ['RAY_ADDRESS']}"
        in service.call("GET", f"/v1/jobs/{job['id']}/events").text
    )


@pytest.mark.usefixtures("counting")
class TestJobs:
    def test_it_is_found_again_by_a_second_keeper_and_stops_when_asked(self, service: Service) -> None:
        job = service.submit("train", **LONG)
        pid = QueueOwner(service).process(job)
        second = QueueOwner(service)
        for _ in range(3):
            assert second.supervisor.tick() == 1
        assert (second.process(job), starts(service, job), number(service, job)) == (pid, 1, 1)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert second.ended(job)["state"] == "cancelled"
        assert starts(service, job) == 1
        log = service.settings.processes / job["id"] / "log"
        assert "stopped on request" in log.read_text()

    def test_a_keeper_killed_before_or_after_it_sent_the_job_costs_nothing(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for when in ("before", "after"):
            job, keeper = service.submit(**SHORT), QueueOwner(service)
            submit = keeper.runner._jobs.submit

            def dying(*arguments: Any, when: str = when, submit: Any = submit) -> None:
                if when == "after":
                    submit(*arguments)
                raise KeyboardInterrupt

            monkeypatch.setattr(keeper.runner._jobs, "submit", dying)
            with pytest.raises(KeyboardInterrupt):
                keeper.supervisor.tick()
            ended = QueueOwner(service).ended(job)
            assert (ended["state"], ended["attempt"], number(service, job), starts(service, job)) == ("done", 1, 1, 1)

    def test_a_killed_job_goes_on_by_itself(self, service: Service) -> None:
        job, keeper = service.submit("train", **LONG), QueueOwner(service)
        pid = keeper.process(job)
        os.kill(pid, signal.SIGKILL)
        keeper.until(lambda: keeper.process(job) != pid and starts(service, job) == 2)
        assert number(service, job) == 2
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert keeper.ended(job)["state"] == "cancelled"

    def test_a_job_that_does_not_heed_is_killed_after_its_grace(self, service: Service) -> None:
        object.__setattr__(service.settings, "grace", 1.0)
        job, keeper = service.submit("train", **LONG), QueueOwner(service)
        pid = keeper.process(job)
        os.kill(pid, signal.SIGSTOP)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert keeper.ended(job)["state"] == "cancelled"
        deadline = time.monotonic() + 240
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not alive(pid)

    def test_a_fault_comes_back_as_what_it_is(self, service: Service) -> None:
        ended = QueueOwner(service).ended(service.submit(**SHORT, seed=13))
        assert (ended["state"], ended["problem"]["type"]) == ("failed", "urn:gan-aug:problem:DataError")
        assert ended["problem"]["detail"] == f"{ended['run']} is unlucky: use another seed"

    def test_while_the_cluster_does_not_answer_jobs_wait_for_it(self, service: Service) -> None:
        job, keeper = service.submit(**SHORT), QueueOwner(service)
        there = keeper.runner._jobs.address
        keeper.runner._jobs.address = "http://127.0.0.1:1"
        for _ in range(6):  # more often than processes that cannot begin are forgiven
            keeper.supervisor.tick()
        assert keeper.state(job) == "running"
        keeper.runner._jobs.address = there
        assert keeper.ended(job)["state"] == "done"


def test_a_process_that_cannot_begin_ends_the_job_with_its_last_words(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RayRunner, "module", "no_such_module")
    ended = QueueOwner(service).ended(service.submit())
    assert (ended["state"], ended["attempt"]) == ("failed", 0)
    assert "No module named no_such_module" in ended["problem"]["detail"]


def test_what_a_cluster_can_hold_is_not_asked_of_this_machine(service: Service) -> None:
    assert service.submit(compute={"workers": 10_000})["state"] == "queued"
    assert TINY["compute"] == {"workers": 1}
