"""Jobs as processes: they end as they should, also when they, or the service, are killed.

But for the first test a job's process counts instead of training (stand_in_job.py): everything around the verb is real.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gan_aug.run.folder import RunDir
from gan_aug_service.queue import job_process
from gan_aug_service.queue.job_process import ALREADY_RUNNING, end_file, process_started, work
from gan_aug_service.queue.runner import JobRef, LocalRunner
from gan_aug_service.queue.supervisor import Supervisor
from tests.support.places import ROOT
from tests.support.service.service_samples import TINY, WHOLE, Service, until

LONG: dict[str, Any] = {"train": {"images": 10**7, "batch": 2}}
SHORT: dict[str, Any] = {"train": {"images": 4, "batch": 2}}


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs count instead of training."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(LocalRunner, "module", "tests.support.service.stand_in_job")


def process(service: Service, job: dict[str, Any]) -> int:
    """The process of a job that has begun to work, by what it says of itself."""
    path = service.settings.processes / job["id"] / "process.json"
    until(lambda: count(service, job) and path.exists())
    return int(json.loads(path.read_text())["pid"])


def count(service: Service, job: dict[str, Any]) -> int:
    counter = service.settings.runs / job["run"] / "count.json"
    return int(counter.read_text()) if counter.exists() else 0


def starts(service: Service, job: dict[str, Any]) -> int:
    return (service.settings.runs / job["run"] / "events.jsonl").read_text().count('"kind": "start"')


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # a verb's process knows of no database
def test_real_verbs_as_jobs(service: Service) -> None:
    service.start()
    job = service.submit("train")
    done = service.wait(job["id"])
    assert (done["state"], done["attempt"], done["problem"]) == ("done", 1, None)
    assert service.call("GET", "/v1/models", "viewer").json()["items"][0]["id"] == job["run"]
    assert service.call("GET", "/v1/reports", "viewer").json()["items"] == []

    other = TINY | {"gan": {"width": 8}}
    refused = service.call("POST", f"/v1/jobs/run?run={job['run']}", json=other).json()
    ended = service.wait(refused["id"])
    assert (ended["state"], ended["problem"]["status"]) == ("failed", 409)
    assert "gan.width was 4, now 8" in ended["problem"]["detail"]
    assert str(service.settings.state) not in ended["problem"]["detail"]
    kept = json.loads((service.settings.runs / job["run"] / "request.json").read_text())
    assert (kept["verb"], kept["config"]["gan"]["width"]) == ("train", 4)

    whole = service.call("POST", f"/v1/jobs/run?run={job['run']}", json=WHOLE).json()
    assert service.wait(whole["id"])["state"] == "done"
    assert service.call("GET", f"/v1/jobs/{whole['id']}/report").json()["schema"] == 1
    own = service.call("GET", f"/v1/jobs/{whole['id']}/events").text
    assert '"stage": "compare"' in own
    assert "importing" not in own
    assert own.endswith('data: {"state": "done"}\n\n')


class Hesitant(LocalRunner):
    """Is slow to start what it was told to: not before `go`."""

    def start(self, work: JobRef) -> None:
        self._work = work

    def go(self) -> None:
        super().start(self._work)


@pytest.mark.server
@pytest.mark.usefixtures("counting")
class TestJobs:
    def test_a_job_is_done(self, service: Service) -> None:
        service.start()
        job = service.submit(**SHORT)
        ended = service.wait(job["id"])
        assert (ended["state"], ended["attempt"], count(service, job)) == ("done", 1, 4)

    def test_a_job_that_fails_says_why_without_saying_where(self, service: Service) -> None:
        service.start()
        ended = service.wait(service.submit(**SHORT, seed=13)["id"])
        problem = ended["problem"]
        assert ended["state"] == "failed"
        assert (problem["type"], problem["exit_code"], problem["status"]) == ("urn:gan-aug:problem:DataError", 3, 422)
        assert problem["detail"] == f"{ended['run']} is unlucky: use another seed"

    def test_a_cancelled_job_stops_and_goes_on_when_resumed(self, service: Service) -> None:
        service.start()
        job = service.submit("train", **LONG)
        process(service, job)
        assert service.call("DELETE", f"/v1/jobs/{job['id']}").json()["cancelling"]
        assert service.wait(job["id"])["state"] == "cancelled"
        before = count(service, job)
        assert service.call("POST", f"/v1/jobs/{job['id']}/resume").json()["state"] == "queued"
        until(lambda: count(service, job) > before)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert service.wait(job["id"])["state"] == "cancelled"
        record = (service.settings.runs / job["run"] / "events.jsonl").read_text()
        assert f'"from {before}"' in record

    def test_a_job_cancelled_while_its_process_begins_stops(self, service: Service) -> None:
        service.start()
        for wait in (0, 0.1, 0.3, 0.6):
            job = service.submit("train", **LONG)
            until(lambda job=job: service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "running")
            time.sleep(wait)
            service.call("DELETE", f"/v1/jobs/{job['id']}")
            assert service.wait(job["id"])["state"] == "cancelled"

    def test_a_killed_job_goes_on_by_itself_until_it_was_killed_too_often(self, service: Service) -> None:
        service.start()
        job = service.submit("train", **LONG)
        killed = list[int]()
        for _ in range(service.settings.attempts):
            pid = until(lambda: (new := process(service, job)) not in killed and new)
            os.killpg(pid, signal.SIGKILL)
            killed.append(pid)
        ended = service.wait(job["id"])
        assert (ended["state"], ended["attempt"]) == ("failed", 3)
        assert ended["problem"]["type"] == "urn:gan-aug:problem:ComputeError"
        assert "killed or ended 3 times" in ended["problem"]["detail"]
        service.call("POST", f"/v1/jobs/{job['id']}/resume")
        until(lambda: process(service, job) not in killed)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert service.wait(job["id"])["state"] == "cancelled"

    def test_a_job_that_was_told_to_stop_from_outside_is_not_lost(self, service: Service) -> None:
        service.start()
        job = service.submit("train", **LONG)
        pid = process(service, job)
        os.kill(pid, signal.SIGTERM)
        until(lambda: process(service, job) != pid)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert service.wait(job["id"])["state"] == "cancelled"

    def test_a_job_that_does_not_heed_is_killed_after_its_grace(self, service: Service) -> None:
        object.__setattr__(service.settings, "grace", 1.0)
        service.start()
        job = service.submit("train", **LONG)
        os.kill(process(service, job), signal.SIGSTOP)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert service.wait(job["id"])["state"] == "cancelled"

    def test_jobs_wait_for_room(self, service: Service) -> None:
        first, second = service.submit("train", **LONG), service.submit("train", **SHORT)
        service.start()
        process(service, first)
        assert service.call("GET", f"/v1/jobs/{second['id']}").json()["state"] == "queued"
        service.call("DELETE", f"/v1/jobs/{first['id']}")
        assert service.wait(second["id"])["state"] == "done"

    def test_a_job_of_a_keeper_that_was_killed_is_found_again(self, service: Service) -> None:
        """Two keepers in turn, the first forgotten as kill -9 would: the job is adopted, and not started twice."""
        job = service.submit("train", **LONG)
        Supervisor(service.settings, service.components.database, LocalRunner(service.settings)).tick()
        pid = process(service, job)
        second = Supervisor(service.settings, service.components.database, LocalRunner(service.settings))
        for _ in range(3):
            assert second.tick() == 1
        known = service.call("GET", f"/v1/jobs/{job['id']}").json()
        assert (known["state"], known["attempt"], process(service, job)) == ("running", 1, pid)
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        until(lambda: second.tick() == 0)
        assert service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
        assert starts(service, job) == 1

    def test_a_keeper_killed_before_it_started_the_process_costs_nothing(self, service: Service) -> None:
        class Dying(LocalRunner):
            def start(self, work: JobRef) -> None:
                raise KeyboardInterrupt

        job = service.submit(**SHORT)
        with pytest.raises(KeyboardInterrupt):
            Supervisor(service.settings, service.components.database, Dying(service.settings)).tick()
        assert service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "running"
        later = Supervisor(service.settings, service.components.database, LocalRunner(service.settings))
        until(lambda: later.tick() == 0)
        assert service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "done"

    def test_of_two_processes_of_one_job_one_works(self, service: Service) -> None:
        """The second comes from a keeper that did not know of the first, which was only about to begin."""
        job = service.submit("train", **LONG)
        runners = [Hesitant(service.settings) for _ in range(2)]
        keepers = [Supervisor(service.settings, service.components.database, runner) for runner in runners]
        for keeper in keepers:
            keeper.tick()
        for runner in runners:
            runner.go()
        children = [child for runner in runners for _, child in runner._children]
        at_work = process(service, job)
        idle = next(child for child in children if child.pid != at_work)
        assert idle.wait(600) == ALREADY_RUNNING
        assert starts(service, job) == 1
        for keeper in keepers:
            assert keeper.tick() == 1
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        until(lambda: sum(keeper.tick() for keeper in keepers) == 0)
        assert service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"

    def test_a_run_held_by_the_command_line_is_left_alone(self, service: Service) -> None:
        service.start()
        job = service.submit(**SHORT)
        service.wait(job["id"])
        with RunDir(service.settings.runs / job["run"]).locked():
            again = service.call("POST", f"/v1/jobs/train?run={job['run']}", json=TINY | SHORT).json()
            ended = service.wait(again["id"])
        assert (ended["state"], ended["problem"]["status"]) == ("failed", 409)
        assert "another process is working" in ended["problem"]["detail"]
        kept = json.loads((service.settings.runs / job["run"] / "request.json").read_text())
        assert kept["verb"] == "import"


@pytest.mark.server
def test_a_process_that_cannot_begin_ends_the_job_with_its_last_words(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRunner, "module", "no_such_module")
    service.start()
    ended = service.wait(service.submit()["id"])
    assert (ended["state"], ended["attempt"]) == ("failed", 0)
    assert "No module named no_such_module" in ended["problem"]["detail"]


def test_a_process_works_once(tmp_path: Path) -> None:
    end_file(tmp_path, 1).write_text('{"exit": 3, "error": "DataError", "message": "said"}')
    assert work(tmp_path, 1, tmp_path) == 3
    assert not (tmp_path / "process.json").exists()


def test_a_process_leaves_a_living_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr("gan_aug_service.queue.job_process.LOCK_SECONDS", 0.1)
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert work(tmp_path, 1, tmp_path) == ALREADY_RUNNING
    assert not end_file(tmp_path, 1).exists()


def test_threads_of_a_job_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PyTorch reads this when it is loaded, which the verbs do."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr("sys.argv", ["job_process", str(tmp_path), "1", str(tmp_path), "0", "local"])
    monkeypatch.setattr(job_process, "raise_oom_score", lambda: None)
    monkeypatch.setattr(job_process, "work", lambda *_: os.environ["OMP_WAIT_POLICY"])
    with pytest.raises(SystemExit, match="PASSIVE"):
        job_process.main()
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    with pytest.raises(SystemExit, match="ACTIVE"):
        job_process.main()


@pytest.fixture
def runner(tmp_path: Path) -> LocalRunner:
    from gan_aug_service.settings import Settings

    (tmp_path / "processes" / "j").mkdir(parents=True)
    return LocalRunner(Settings(tmp_path, data=tmp_path))


def test_a_number_used_again_is_another_process(runner: LocalRunner, tmp_path: Path) -> None:
    me = {"pid": os.getpid(), "started": (process_started(os.getpid()) or 0) + 1, "start": 1, "attempt": 1}
    (tmp_path / "processes" / "j" / "process.json").write_text(json.dumps(me))
    runner.kill(JobRef("j", "r", 1))  # would end these tests


def test_what_the_service_knows_of_its_database_no_job_does(
    runner: LocalRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "postgresql://user:secret@host/name")
    monkeypatch.setenv("PGPASSWORD", "a secret word")
    environment = runner._environment()
    assert "secret" not in str(environment)
    assert environment["GAN_AUG_DATA"] == str(tmp_path)
