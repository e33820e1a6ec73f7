"""A job that takes too much memory or time is ended, and says so; its log can be read and names no patient."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.products.job_log import readable_log
from gan_aug_service.queue.job_limits import JobLimits, held_memory
from gan_aug_service.queue.runner import LocalRunner
from gan_aug_service.rules.allowed import JobRules, Rules
from tests.support.places import ROOT
from tests.support.service.service_samples import Service

LONG: dict[str, Any] = {"train": {"images": 10**7, "batch": 2}}

LOG = """\
dataset: reading /state/runs/1/dataset
/venv/lib/python3.11/site-packages/pydicom/valuerep.py:440: UserWarning: Invalid value for VR PN: 'Müller^Anna'
  warnings.warn(msg)
train: 10 of 640 images  1/s
Traceback (most recent call last):
  File "/srv/x/services/gan_aug_service/queue/job_process.py", line 91, in _resume_run
    api.resume(run, on="local")
  File "/venv/lib/python3.11/site-packages/pydicom/dataset.py", line 7, in __getitem__
    raise KeyError(name)
    ^^^^^^^^^^^^^^^^^^^^
KeyError: 'Müller^Anna 1970-01-01'
Müller^Anna
  File "Müller^Anna.dcm", line 1, in Anna
    Müller^Anna
gan-aug: the file has no pixels
ValueError: Müller
"""


def test_a_log_says_what_happened_and_names_no_patient(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    text = readable_log(path) or ""
    assert "Müller" not in text
    assert "Anna" not in text
    assert text.splitlines() == [
        "dataset: reading /state/runs/1/dataset",
        "(2 lines left out: they may name a file or a patient)",
        "train: 10 of 640 images  1/s",
        "Traceback (most recent call last):",
        '  File "gan_aug_service/queue/job_process.py", line 91, in _resume_run',
        '    api.resume(run, on="local")',
        '  File "pydicom/dataset.py", line 7, in __getitem__',
        "    raise KeyError(name)",
        "    ^^^^^^^^^^^^^^^^^^^^",
        "KeyError: (message left out: it may name a patient)",
        "(3 lines left out: they may name a file or a patient)",
        "gan-aug: the file has no pixels",
        "(1 line left out: they may name a file or a patient)",
        "",
    ]
    path.write_text("train: x\n" * 200_000)
    assert (readable_log(path) or "").startswith("(the beginning is left out)\ntrain: x\n")
    assert readable_log(tmp_path / "absent") is None


def test_memory_is_counted_with_what_a_process_started() -> None:
    code = (
        "import subprocess, sys, time\n"
        "from gan_aug_service.queue.job_limits import held_memory\n"
        "before = held_memory()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'x = bytearray(80 << 20); print(1, flush=True); input()'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print((held_memory() - before) >> 20)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'services'}"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert 80 <= int(found.stdout) < 130
    assert held_memory(1 << 40) > 1 << 20


def test_the_limits_travel_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = JobLimits(2 * 10**9, 3600.0, "Jürgen")
    for name, value in limits.environment().items():
        monkeypatch.setenv(name, value)
    assert JobLimits.from_environment() == limits
    assert limits.over_memory(2 * 10**9) is None
    assert "held 2.1 GB of memory together, and a job may hold 2.0 GB" in (limits.over_memory(21 * 10**8) or "")
    assert "worked for 2.0 hours, and a job may work for 60 minutes" in (limits.over_time(7200) or "")
    assert JobLimits().over_memory(10**12) is None


@pytest.mark.server
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestJobs:
    @pytest.fixture(autouse=True)
    def _stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setattr(LocalRunner, "module", "tests.support.service.stand_in_job")

    def rules(self, service: Service, **job: float) -> None:
        object.__setattr__(service.settings, "rules", Rules(contact="Anna", job=JobRules(**job)))

    def test_a_job_that_takes_too_much_memory_or_time_ends_with_a_sentence(self, service: Service) -> None:
        self.rules(service, memory=0.4)
        service.start()
        large = service.submit("train", **LONG, seed=17)
        ended = service.wait(large["id"])
        assert (ended["state"], ended["problem"]["status"], ended["attempt"]) == ("failed", 503, 1)
        assert "a job may hold 0.4 GB on this service" in ended["problem"]["detail"]
        assert ended["problem"]["detail"].endswith("ask Anna")

        self.rules(service, hours=0.5 / 3600)
        slow = service.submit("train", **LONG)
        ended = service.wait(slow["id"])
        assert (ended["state"], ended["problem"]["type"]) == ("failed", "urn:gan-aug:problem:ComputeError")
        assert "may work for 0 s at a stretch" in ended["problem"]["detail"]

        self.rules(service)
        resumed = service.call("POST", f"/v1/jobs/{slow['id']}/resume").json()
        service.wait(resumed["id"], "running")
        service.call("DELETE", f"/v1/jobs/{slow['id']}")
        service.wait(slow["id"])

        broken = service.submit("train", **LONG, seed=19)
        ended = service.wait(broken["id"])
        assert f"GET /v1/jobs/{broken['id']}/log" in ended["problem"]["detail"]
        log = service.call("GET", f"/v1/jobs/{broken['id']}/log")
        assert "ZeroDivisionError: (message left out: it may name a patient)" in log.text
        assert "train: from 0" in log.text
        assert str(service.settings.state) not in log.text
        assert service.call("GET", f"/v1/jobs/{broken['id']}/log", "viewer").status_code == 403
        assert service.call("GET", f"/v1/jobs/{broken['id']}/log", "stranger").status_code == 404

        scarce = service.wait(service.submit("train", **LONG, seed=23)["id"])
        assert "there was not enough memory for the job" in scarce["problem"]["detail"]
