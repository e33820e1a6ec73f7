"""Sets and models leave the service through the gate of the privacy audit alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gan_aug.privacy.record import read_audit, write_audit
from tests.support.service.service_samples import Service

DOORS = ("/v1/synthetic/{}/download", "/v1/synthetic/{}/download?format=npz", "/v1/models/{}/download")


def assert_problem(answer: Any, status: int) -> str:
    """The detail of an answer that is a problem of this status."""
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    return detail


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


def test_an_audited_set_and_its_model_leave_and_it_is_told(service: Service, run: str) -> None:
    told = service.call("GET", f"/v1/synthetic/{run}/audit", "viewer").json()
    assert (told["set_allowed"], told["model_allowed"]) == (True, True)
    assert told["verdict"] == "The set may be released. The model may be released."
    assert "evidence, not proof" in told["unseen"]
    picture = service.call("GET", f"/v1/synthetic/{run}/audit/pairs", "viewer")
    assert picture.content.startswith(b"\x89PNG")
    assert_problem(service.call("GET", f"/v1/synthetic/{run}/audit", "stranger"), 404)
    for door in DOORS:
        assert service.call("GET", door.format(run), "viewer").status_code == 200
    folder = service.settings.runs / run
    entries = [json.loads(line) for line in (folder / "releases.jsonl").read_text().splitlines()]
    assert [entry["door"] for entry in entries] == ["download png", "download npz", "download"]
    assert all("viewer" in entry["who"] for entry in entries)


@pytest.mark.parametrize("refused", [True, False])
def test_nothing_leaves_that_is_refused_or_was_not_audited(service: Service, run: str, refused: bool) -> None:
    folder = service.settings.runs / run
    record = read_audit(folder)
    assert record
    if refused:
        verdict = {"allowed": False, "reasons": ["copies"]}
        write_audit(folder, record | {"set": verdict, "model": verdict})
    else:
        (folder / "audit.json").unlink()
        assert "was not audited" in assert_problem(service.call("GET", f"/v1/synthetic/{run}/audit", "viewer"), 404)
    why = "are like copies of training images" if refused else "no audit of it was made"
    for door in DOORS:
        assert why in assert_problem(service.call("GET", door.format(run), "editor"), 409)
        reason = {"release_anyway": "for the ethics board"}
        assert "only an admin" in assert_problem(service.call("GET", door.format(run), "editor", params=reason), 403)
    assert not (folder / "releases.jsonl").exists()
    answer = service.call("GET", f"/v1/synthetic/{run}/download?release_anyway=for+the+ethics+board", "admin")
    assert answer.status_code == 200
    entry = json.loads((folder / "releases.jsonl").read_text())
    assert (entry["anyway"], entry["audited"]) == ("for the ethics board", refused)
    trail = service.call("GET", "/v1/audit", "admin").json()["items"][0]
    assert trail["action"] == "synthetic.download"
    assert "for the ethics board" in trail["detail"]
