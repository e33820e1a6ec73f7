"""Runs removed: all that they hold and nothing else, whole or not at all; and folders removed by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gan_aug_service.database.tables import Job, JobState, Run
from gan_aug_service.products.files import PRODUCTS
from gan_aug_service.products.synthetic_images import _shard
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, TINY, Service

V1 = [
    "/v1/datasets/{id}", "/v1/models/{id}", "/v1/models/{id}/download", "/v1/synthetic/{id}",
    "/v1/synthetic/{id}/download", "/v1/jobs/{id}/report",
    "/v1/reports/{id}?format=html", "/v1/reports/{id}?format=csv",
]  # fmt: skip
PAGES = [
    "/datasets/{id}", "/datasets/{id}/contact/3.png", "/models/{id}", "/models/{id}/sample.png?label=3",
    "/synthetic/{id}", "/synthetic/{id}/images/3", "/synthetic/{id}/images/3.png", "/reports/{id}",
    "/reports/{id}/page",
]  # fmt: skip
LISTS = ("datasets", "models", "synthetic", "reports")


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    identifier = service.place(whole_run)
    (service.settings.processes / identifier).mkdir()
    return identifier


def audited(service: Service) -> list[Any]:
    rows = service.call("GET", "/v1/audit", "admin").json()["items"]
    return [(row["action"], row["target"], row["detail"]) for row in rows if row["action"] == "run.remove"]


def test_a_run_is_removed_with_all_that_it_holds_and_its_job_stays(service: Service, run: str, whole_run: Path) -> None:
    other = service.place(whole_run)
    service.release(run)
    service.release(other)
    for path in V1 + PAGES:
        assert service.call("GET", path.format(id=run)).status_code == 200, path
    service.call("GET", f"/v1/models/{other}")
    assert len(service.components.samplers._loaded) == 1
    assert _shard.cache_info().currsize
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 204
    assert [path.name for path in service.settings.runs.iterdir()] == [other]
    assert list(service.settings.processes.iterdir()) == []
    assert len(service.components.samplers._loaded) == 0
    assert _shard.cache_info().currsize == 0
    for path in V1 + PAGES:
        assert service.call("GET", path.format(id=run)).status_code == 404, path
        assert service.call("GET", path.format(id=other)).status_code == 200, path
    for product in LISTS:
        assert [item["id"] for item in service.call("GET", f"/v1/{product}").json()["items"]] == [other]
    assert service.call("GET", f"/v1/jobs/{run}").json()["state"] == "done"
    assert service.call("GET", f"/v1/jobs/{run}/events").status_code == 200
    assert audited(service) == [("run.remove", run, "dataset, model, synthetic, report")]
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 404
    for answer in (
        service.call("POST", f"/v1/jobs/{run}/resume"),
        service.call("POST", f"/v1/jobs/train?run={run}", json=TINY),
    ):
        assert (answer.status_code, "removed" in answer.json()["detail"]) == (409, True)


def test_only_editors_remove_and_only_of_their_own_project(service: Service, run: str) -> None:
    assert service.call("DELETE", f"/v1/runs/{run}", "viewer").status_code == 403
    theirs = service.call("DELETE", f"/v1/runs/{run}", "stranger")
    nothing = service.call("DELETE", f"/v1/runs/{NOBODY}", "stranger")
    assert (theirs.status_code, theirs.text.replace(run, NOBODY)) == (404, nothing.text)
    assert (service.settings.runs / run / "report.json").exists()
    assert audited(service) == []
    assert service.call("DELETE", f"/v1/runs/{run}", "admin").status_code == 204


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_run_is_not_removed_under_a_job(service: Service, run: str, state: JobState) -> None:
    with service.components.database.writing() as session:
        session.execute(update(Job).where(Job.id == run).values(state=state, holds_run=run))
    answer = service.call("DELETE", f"/v1/runs/{run}")
    assert (answer.status_code, f"is {state}" in answer.json()["detail"]) == (409, True)
    assert service.call("GET", f"/v1/datasets/{run}").status_code == 200
    sign_in(service)
    assert "Remove permanently" not in see(service, f"/runs/{run}/remove").text


@pytest.mark.server
def test_a_removal_that_was_cut_short_is_finished_or_undone(
    service: Service, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the commit failed")

    monkeypatch.setattr("sqlalchemy.orm.SessionTransaction.commit", fail)
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 500
    monkeypatch.undo()
    assert service.call("GET", f"/v1/datasets/{run}").status_code == 200
    folder = service.settings.runs
    (folder / run).rename(folder / f".{run}.gone")  # as far as a service came that was killed
    assert service.call("GET", f"/v1/datasets/{run}").status_code == 404
    service.start()
    assert list(folder.iterdir()) == []
    assert list(service.settings.processes.iterdir()) == []
    with service.components.database.reading() as session:
        found = session.get_one(Run, run)
        assert not any(getattr(found, product) for product in PRODUCTS)
    assert audited(service) == [("run.remove", run, "finished when the service started again")]


def test_a_folder_removed_by_hand_is_told_in_a_sentence(service: Service, run: str) -> None:
    for path in V1 + PAGES:
        service.call("GET", path.format(id=run))
    shutil.rmtree(service.settings.runs / run)
    for path in V1 + PAGES:
        answer = service.call("GET", path.format(id=run))
        assert answer.status_code == 404, (path, answer.text)
        assert "removed" in answer.json()["detail"], (path, answer.text)
    sample = service.call("POST", f"/v1/models/{run}/sample", json={"label": "3"})
    assert (sample.status_code, "removed" in sample.text) == (404, True)
    sign_in(service)
    for product in LISTS:
        page = see(service, f"/{product}")
        assert (page.status_code, run in page.text, 'class="damaged' in page.text) == (200, True, True), product
    assert "Removed." in see(service, f"/jobs/{run}").text
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 204
    assert service.call("GET", "/v1/datasets").json()["items"] == []


def test_a_page_asks_before_it_removes(service: Service, run: str) -> None:
    sign_in(service)
    for path in (f"/jobs/{run}", *(f"/{product}/{run}" for product in LISTS)):
        assert f'href="/runs/{run}/remove"' in see(service, path).text, path
    asked = see(service, f"/runs/{run}/remove").text
    assert "the data set, with its real images" in asked
    assert asked.count("<script") == 1, "times in the reader's zone alone: it works without a script"
    assert service.client.post(f"/runs/{run}/remove", follow_redirects=False).status_code == 403
    assert (service.settings.runs / run).exists()
    answer = send(service, f"/runs/{run}/remove")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{run}")
    assert not (service.settings.runs / run).exists()
    job = see(service, f"/jobs/{run}").text
    assert "Removed." in job
    assert "Go on in this run" not in job
    assert "/remove" not in job
    sign_in(service, "viewer")
    assert see(service, f"/runs/{run}/remove").status_code == 403
    sign_in(service, "stranger")
    assert see(service, f"/runs/{run}/remove").status_code == 404
