"""Every route: what it gives, that it finds nothing of others, and that it asks for a key that may."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.export.formats import FORMATS
from gan_aug_service.openapi.schemas import ProblemOut
from tests.support.service.service_samples import NOBODY, TINY, Service

READ = [
    ("GET", "/v1/jobs/{id}"),
    ("GET", "/v1/jobs/{id}/events?wait=false"),
    ("GET", "/v1/jobs/{id}/report"),
    ("GET", "/v1/datasets/{id}"),
    ("GET", "/v1/models/{id}"),
    ("GET", "/v1/models/{id}/download"),
    ("POST", "/v1/models/{id}/sample"),
    ("GET", "/v1/synthetic/{id}"),
    ("GET", "/v1/synthetic/{id}/audit"),
    ("GET", "/v1/synthetic/{id}/audit/pairs"),
    ("GET", "/v1/synthetic/{id}/download"),
    ("GET", "/v1/synthetic/{id}/releases"),
    ("POST", "/v1/synthetic/{id}/releases"),
    ("GET", "/v1/models/{id}/releases"),
    ("POST", "/v1/models/{id}/releases"),
    ("DELETE", "/v1/releases/{id}"),
    ("GET", "/v1/reports/{id}"),
]
WRITE = [
    ("DELETE", "/v1/jobs/{id}"),
    ("POST", "/v1/jobs/{id}/resume"),
    ("DELETE", "/v1/uploads/{id}"),
    ("POST", "/v1/jobs/import?run={id}"),
]
MAKE = [("POST", "/v1/jobs/run"), ("POST", "/v1/datasets"), ("POST", "/v1/uploads")]
LIST = ["jobs", "datasets", "uploads", "models", "synthetic", "reports"]
ADMIN = [("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/{id}"), ("GET", "/v1/audit")]
BODIES: dict[str, Any] = {
    "/v1/models/{id}/sample": {"label": "3"},
    "/v1/synthetic/{id}/releases": {"recipient": "a class"},
    "/v1/models/{id}/releases": {"recipient": "a class"},
    "/v1/keys": {"name": "x", "role": "viewer"},
    "/v1/jobs/run": TINY,
    "/v1/jobs/import?run={id}": TINY,
    "/v1/datasets": TINY,
}


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


@pytest.fixture
def released(service: Service, run: str) -> str:
    service.release(run)
    return run


def ask(service: Service, method: str, path: str, who: str | None, identifier: str = NOBODY) -> Any:
    body = BODIES.get(path) if method == "POST" else None
    return service.call(method, path.format(id=identifier), who, json=body)


def assert_problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = ProblemOut.model_validate_json(answer.text)
    assert problem.status == status
    return problem.detail


@pytest.mark.parametrize(("method", "path"), [*READ, *WRITE, *MAKE, *ADMIN, *(("GET", f"/v1/{n}") for n in LIST)])
def test_nothing_is_given_without_a_key(service: Service, method: str, path: str) -> None:
    answer = ask(service, method, path, None)
    assert "Authorization: Bearer" in assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [*READ, *WRITE])
def test_what_is_not_there_is_not_found(service: Service, method: str, path: str) -> None:
    assert NOBODY in assert_problem(ask(service, method, path, "editor"), 404)


@pytest.mark.parametrize(
    ("method", "path"), [pair for pair in [*READ, *WRITE] if pair[1].split("/")[2] not in ("uploads", "releases")]
)
def test_records_of_another_project_do_not_exist(service: Service, run: str, method: str, path: str) -> None:
    theirs = assert_problem(ask(service, method, path, "stranger", run), 404)
    assert theirs == assert_problem(ask(service, method, path, "stranger"), 404).replace(NOBODY, run)


@pytest.mark.parametrize(("method", "path"), [*WRITE, *MAKE])
def test_a_viewer_starts_and_stops_nothing(service: Service, method: str, path: str) -> None:
    assert "viewer" in assert_problem(ask(service, method, path, "viewer"), 403)


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_keys_and_the_audit_are_for_administrators(service: Service, method: str, path: str) -> None:
    assert "admin" in assert_problem(ask(service, method, path, "editor"), 403)


@pytest.mark.parametrize("noun", LIST)
def test_lists_show_a_project_its_own(service: Service, whole_run: Path, noun: str) -> None:
    mine, theirs = service.place(whole_run), service.place(whole_run, "bones", "stranger")
    if noun == "uploads":
        return
    seen = {who: [row["id"] for row in service.call("GET", f"/v1/{noun}", who).json()["items"]] for who in service.keys}
    assert seen == {
        "viewer": [mine],
        "editor": [mine],
        "releaser": [mine],
        "manager": [mine],
        "colleague": [mine],
        "stranger": [theirs],
        "admin": [theirs, mine],
    }


def test_lists_come_in_pages_without_a_gap_or_a_repeat(service: Service) -> None:
    made = [service.submit()["id"] for _ in range(7)]
    found, after, pages = [], None, 0
    while pages == 0 or after:
        query = f"?limit=3{f'&after={after}' if after else ''}"
        answer = service.call("GET", f"/v1/jobs{query}", "viewer").json()
        found += [row["id"] for row in answer["items"]]
        after, pages = answer["next"], pages + 1
    assert found == sorted(made, reverse=True)
    assert pages == 3
    assert_problem(service.call("GET", "/v1/jobs?limit=0"), 422)
    assert_problem(service.call("GET", "/v1/jobs?after=';--"), 422)


def test_jobs_are_filtered_by_state_and_run(service: Service, run: str) -> None:
    queued = service.submit()
    for query, expected in ((f"run={run}", [run]), ("state=queued", [queued["id"]]), ("state=failed", [])):
        assert [row["id"] for row in service.call("GET", f"/v1/jobs?{query}").json()["items"]] == expected


def test_a_job_is_accepted_and_found(service: Service) -> None:
    answer = service.call("POST", "/v1/jobs/run", json=TINY)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["project"], job["verb"]) == ("queued", "lungs", "run")
    again = service.call("GET", answer.headers["location"], "viewer").json()
    assert again["config"]["train"]["images"] == 320
    assert {key: again[key] for key in job} == job | {"place": again["place"]}, "others may have left the queue"


def test_yaml_and_json_are_one_model(service: Service) -> None:
    text = "data: {source: digits}\ntrain:\n  images: 200_000\n"
    answer = service.call("POST", "/v1/jobs/train", content=text, headers={"content-type": "application/yaml"})
    config = service.call("GET", answer.headers["location"]).json()["config"]
    other = service.call("POST", "/v1/jobs/train", json={"data": {"source": "digits"}, "train": {"images": 200000}})
    assert config == service.call("GET", other.headers["location"]).json()["config"]


def test_every_fault_of_a_config_is_listed_at_once(service: Service) -> None:
    answer = service.call("POST", "/v1/jobs/run", json={"data": {"sorce": "digits"}, "seed": -1})
    assert_problem(answer, 422)
    problem = answer.json()
    assert problem["exit_code"] == 2
    assert problem["type"] == "urn:gan-aug:problem:ConfigError"
    assert any("did you mean source?" in fault for fault in problem["faults"])
    assert any(fault.startswith("seed: ") for fault in problem["faults"])


def test_an_unknown_verb_or_path_is_a_problem_too(service: Service) -> None:
    assert "verb" in assert_problem(service.call("POST", "/v1/jobs/serve", json=TINY), 422)
    assert_problem(service.call("GET", "/v1/nothing"), 404)
    assert_problem(service.call("PATCH", "/v1/jobs"), 405)


def test_a_second_job_on_the_same_run_has_to_wait(service: Service, run: str) -> None:
    assert service.call("POST", f"/v1/jobs/compare?run={run}", json=TINY).status_code == 202
    assert "another job works in the run" in assert_problem(
        service.call("POST", f"/v1/jobs/train?run={run}", json=TINY), 409
    )
    assert_problem(service.call("POST", f"/v1/jobs/{run}/resume"), 409)


def test_only_an_ended_job_is_resumed(service: Service, run: str) -> None:
    job = service.submit()
    assert "only an ended job" in assert_problem(service.call("POST", f"/v1/jobs/{job['id']}/resume"), 409)
    assert service.call("POST", f"/v1/jobs/{run}/resume").json()["state"] == "queued"


def test_a_waiting_job_is_cancelled_at_once_and_once(service: Service) -> None:
    job = service.submit()
    for _ in range(2):
        answer = service.call("DELETE", f"/v1/jobs/{job['id']}")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_the_queue_of_a_project_is_bounded(service: Service) -> None:
    object.__setattr__(service.settings.limits, "queued", 2)
    service.submit()
    service.submit()
    answer = service.call("POST", "/v1/jobs/import", json=TINY)
    assert "2 jobs of lungs are waiting" in assert_problem(answer, 429)
    service.submit(who="stranger")


def test_products_of_a_run(service: Service, run: str, whole_run: Path) -> None:
    dataset = service.call("GET", f"/v1/datasets/{run}", "viewer").json()
    assert (dataset["name"], dataset["shape"], len(dataset["labels"])) == ("digits", [1, 16, 16], 10)
    model = service.call("GET", f"/v1/models/{run}", "viewer").json()
    assert (model["images"], model["dataset"]) == (320, dataset["fingerprint"])
    synthetic = service.call("GET", f"/v1/synthetic/{run}", "viewer").json()
    assert (synthetic["images"], synthetic["checkpoint"]) == (100, model["checkpoint"])
    report = service.call("GET", f"/v1/reports/{run}", "viewer")
    assert report.json() == json.loads((whole_run / "report.json").read_text())
    assert service.call("GET", f"/v1/jobs/{run}/report").json() == report.json()


def test_a_report_as_page_and_table(service: Service, run: str) -> None:
    page = service.call("GET", f"/v1/reports/{run}?format=html", "viewer")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "<html" in page.text
    table = service.call("GET", f"/v1/jobs/{run}/report?format=csv", "viewer")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    report = service.call("GET", f"/v1/reports/{run}").json()
    found = {(row["arm"], row["figure"]): row for row in rows if not row["label"]}
    auc = report["arms"]["mixed"]["auc"]
    assert [float(found["mixed", "auc"][key]) for key in ("value", "low", "high")] == [auc["value"], *auc["ci95"]]
    precision = found["real", "average_precision"]
    assert [float(precision[key]) for key in ("low", "high")] == report["arms"]["real"]["average_precision_ci95"]
    reached = report["arms"]["real"]["sensitivity_at_specificity"]["0.90"]
    specificity = found["real", "specificity, set for specificity 0.90"]
    assert [float(specificity[key]) for key in ("value", "low", "high")] == [
        reached["specificity"], *reached["specificity_ci95"]
    ]  # fmt: skip
    assert found["synthetic", "verdict"]["value"] == report["comparisons"][0]["verdict"]
    assert_problem(service.call("GET", f"/v1/reports/{run}?format=exe"), 422)


def test_a_job_without_a_report_says_so(service: Service) -> None:
    job = service.submit()
    assert "no report yet" in assert_problem(service.call("GET", f"/v1/jobs/{job['id']}/report"), 404)


def test_synthetic_sets_are_downloaded_as_export_writes_them(
    service: Service, released: str, whole_run: Path, tmp_path: Path
) -> None:
    run = released
    answer = service.call("GET", f"/v1/synthetic/{run}/download", "viewer")
    FORMATS["png"].write(whole_run / "synthetic", tmp_path / "png")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        written = [path for path in (tmp_path / "png").rglob("*") if path.is_file()]
        names = {path.relative_to(tmp_path / "png").as_posix() for path in written}
        assert set(archive.namelist()) == names
        assert all(archive.read(name) == (tmp_path / "png" / name).read_bytes() for name in names)
    assert answer.content == service.call("GET", f"/v1/synthetic/{run}/download", "viewer").content
    FORMATS["npz"].write(whole_run / "synthetic", tmp_path / "set.npz")
    arrays = np.load(io.BytesIO(service.call("GET", f"/v1/synthetic/{run}/download?format=npz").content))
    expected = np.load(tmp_path / "set.npz")
    assert set(arrays) == set(expected)
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)


def test_a_model_is_downloaded_without_its_discriminator(service: Service, released: str) -> None:
    run = released
    answer = service.call("GET", f"/v1/models/{run}/download", "viewer")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = ["README.txt", "checkpoint.json", "generator.safetensors", "synthetic.json"]
        assert sorted(archive.namelist()) == names
        newest = service.settings.runs / run / "train" / "checkpoints" / "0000000320"
        assert archive.read("generator.safetensors") == (newest / "generator.safetensors").read_bytes()


@pytest.mark.server
def test_health_needs_no_key_and_metrics_do(service: Service) -> None:
    assert service.call("GET", "/healthz", None).json()["status"] == "ok"
    waiting = service.call("GET", "/readyz", None)
    assert (waiting.status_code, waiting.json()["checks"]["queue"]) == (503, False)
    service.start()
    assert service.call("GET", "/readyz", None).json()["status"] == "ok"
    assert_problem(service.call("GET", "/metrics", None), 401)
    service.submit()
    figures = service.call("GET", "/metrics", "viewer").text
    assert 'ganaug_requests_total{method="POST",route="/v1/jobs/{verb}",status="202"} 1.0' in figures
    assert "ganaug_jobs{" in figures


def test_a_database_that_is_away_is_no_fault_of_the_caller(service: Service) -> None:
    from sqlalchemy.exc import OperationalError

    def away(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("password"))

    service.components.database.reading = away  # type: ignore[method-assign, assignment]
    answer = service.call("GET", "/v1/jobs")
    assert "does not answer" in assert_problem(answer, 503)
    assert "secret" not in answer.text
    assert answer.headers["retry-after"] == "5"


def test_who_asked_what_is_written_down(service: Service, run: str) -> None:
    job = service.submit()
    service.call("DELETE", f"/v1/jobs/{job['id']}")
    service.call("POST", f"/v1/models/{run}/sample", "viewer", json={"label": "3"})
    rows = service.call("GET", "/v1/audit", "admin").json()["items"]
    said = [(row["action"], row["target"], row["key_id"], row["project"]) for row in rows]
    editor, viewer = service.key_ids["editor"], service.key_ids["viewer"]
    assert said == [
        ("model.sample", run, viewer, "lungs"),
        ("job.cancel", job["id"], editor, "lungs"),
        ("job.import", job["id"], editor, "lungs"),
    ]
    assert rows[0]["address"] == "testclient"


def test_a_sampled_picture_is_one(service: Service, run: str) -> None:
    answer = service.call("POST", f"/v1/models/{run}/sample", "viewer", json={"label": "3", "seed": 5})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-synthetic"] == "true"
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.size, picture.mode) == ((16, 16), "L")
    grid = service.call("POST", f"/v1/models/{run}/sample", json={"label": "3", "count": 9})
    assert Image.open(io.BytesIO(grid.content)).width > 8 * 16
    for body, said in (
        ({"label": "13"}, "no label '13'"),
        ({"label": ["1", "2"]}, "one label each"),
        ({"label": "1", "count": 257}, "count"),
        ({"label": "1", "seed": 2**32}, "seed"),
        ({"label": "1", "colour": 1}, "colour"),
    ):
        assert said in assert_problem(service.call("POST", f"/v1/models/{run}/sample", json=body), 422)
