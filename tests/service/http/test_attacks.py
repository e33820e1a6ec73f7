"""What a hostile caller may try: each ends in a refusal that says why, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from gan_aug.config import Config, parse
from gan_aug_service.http.bodies import parse_object
from gan_aug_service.http.problems import Problem
from gan_aug_service.records import allowed_paths
from gan_aug_service.settings import Settings
from tests.support.places import ROOT, TESTS
from tests.support.service.service_samples import TINY, Service

OUTSIDE = [
    "/etc",
    "../..",
    "chest/../../..",
    "..\\..",
    "chest/../../secret",
    "link",
    "link/inside",
    "uploads/../..",
    "uploads",
    "uploads/' OR 1=1 --",
    "\x00",
    "a" * 5000,
    "file:///etc",
    "s3://bucket/x",
    "~root",
]


@pytest.fixture
def database() -> None:
    """SQLite: what is tried here is the same over every database."""


@pytest.fixture
def data(service: Service) -> Path:
    """The service's data folder with a data set, beside a secret that a link inside points to."""
    folder = service.settings.data
    assert folder is not None
    (folder / "chest" / "normal").mkdir(parents=True)
    secret = folder.parent / "secret"
    (secret / "inside").mkdir(parents=True)
    (secret / "index.csv").write_text("file,label\n")
    (folder / "link").symlink_to(secret)
    return folder


@pytest.mark.parametrize("root", OUTSIDE)
@pytest.mark.parametrize("key", ["root", "table"])
def test_no_path_leaves_the_data_folder(service: Service, data: Path, root: str, key: str) -> None:
    answer = service.call("POST", "/v1/datasets", json={"data": {"source": "folder", key: root}})
    assert answer.status_code == (400 if "\x00" in root else 422), answer.text
    assert str(data.parent) not in answer.text
    assert service.call("GET", "/v1/jobs").json()["items"] == []


def test_a_table_beside_its_root_is_refused_too(service: Service, data: Path) -> None:
    for table in (
        "../../secret/index.csv",
        "/etc/passwd",
        str(data.parent / "secret" / "index.csv"),
        "../link/index.csv",
    ):
        config = {"data": {"source": "csv", "root": "chest", "table": table}}
        assert service.call("POST", "/v1/datasets", json=config).status_code == 422


def test_a_path_inside_is_made_whole_for_the_job_and_stays_relative_for_its_caller(
    service: Service, data: Path
) -> None:
    job = service.call("POST", "/v1/datasets", json={"data": {"source": "folder", "root": "chest"}}).json()
    assert service.call("GET", f"/v1/jobs/{job['id']}").json()["config"]["data"]["root"] == "chest"
    with service.components.database.reading() as session:
        from gan_aug_service.database.tables import Job

        request = json.loads(session.get_one(Job, job["id"]).request)
    assert request["data"]["root"] == str((data / "chest").resolve())


@pytest.mark.parametrize("key", ["synthetic", "weights"])
def test_synthetic_images_and_weights_made_elsewhere_lie_below_the_data_folder_too(
    service: Service, data: Path, key: str
) -> None:
    def ask(path: str) -> tuple[int, str]:
        features = {"weights": {"features": "resnet50"}}.get(key, {})
        config = {"data": {"source": "digits"}, "compare": {key: path, **features}}
        answer = service.call("POST", "/v1/jobs/run", json=config)
        return answer.status_code, answer.text

    for outside in ("../secret", "/etc/passwd", "link", "uploads/0123", "uploads/../../secret"):
        status, said = ask(outside)
        assert (status, f"compare.{key}" in said, str(data.parent) in said) == (422, True, False)
    assert ask("chest")[0] == 202


@pytest.mark.parametrize("values", [{"storage": "s3://bucket/x"}, {"address": "ray://10.0.0.1:10001"}])
def test_a_request_may_not_choose_where_is_computed_and_kept(service: Service, values: dict[str, str]) -> None:
    answer = service.call("POST", "/v1/jobs/run", json={"data": {"source": "digits"}, "compute": values})
    assert answer.status_code == 422
    assert f"compute.{next(iter(values))}" in answer.json()["detail"]


def test_on_ray_a_job_waits_for_the_nodes_of_a_cluster_that_just_started_again(tmp_path: Path) -> None:
    def waits(ray: str | None, **compute: float) -> float:
        config = parse({"data": {"source": "digits"}, "compute": compute}, "the test")
        return allowed_paths.resolve_paths(config, Settings(tmp_path, ray=ray), lambda upload: False).compute.wait

    assert waits("http://head:8265") == allowed_paths.WAIT_SECONDS
    assert waits("http://head:8265", wait=0) == 0
    assert waits(None) == 0


NO_PATHS = {
    "data.source",  # a plain word
    "data.columns.file",
    "data.columns.label",
    "data.columns.patient",
    "data.columns.split",
    "data.dicom.window",
    "data.dicom.label_from",
    "data.dicomweb.search",
    "data.label_separator",
    "data.names",
    "data.positive",
    "data.title",
    "synthesis.counts",
}
"""The config's free texts that were looked at and never become a path, an address or a variable's name."""


def test_every_free_text_of_the_config_is_guarded_or_was_looked_at() -> None:
    found = set()
    waiting: list[tuple[str, Any]] = [("", Config)]
    while waiting:
        prefix, model = waiting.pop()
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                waiting.append((f"{prefix}{name}.", field.annotation))
            elif _holds_text(field.annotation):
                found.add(f"{prefix}{name}")
    assert found == allowed_paths.PATH_KEYS | NO_PATHS


def _holds_text(annotation: Any) -> bool:
    """Whether any text at all may stand there; a section inside a list would not be walked through."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return False
    assert not hasattr(annotation, "model_fields"), annotation
    return annotation in (str, Path, Any) or any(_holds_text(part) for part in parts)


@pytest.mark.parametrize("place", [*OUTSIDE, "../secret/", "uploads/x/private_", "/etc/"])
def test_the_name_of_a_source_is_no_path(service: Service, data: Path, place: str) -> None:
    for source in (f"{place}/mnist", f"{place}/../mnist", f"../{place}mnist"):
        answer = service.call("POST", "/v1/datasets", json={"data": {"source": source, "root": "chest"}})
        assert answer.status_code == (400 if "\x00" in source else 422), answer.text
    assert service.call("GET", "/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/jobs/run"])
def test_nothing_is_parsed_for_who_may_not_ask(service: Service, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    parsed = []
    monkeypatch.setattr("gan_aug_service.http.bodies.parse_object", lambda *given: parsed.append(given) or TINY)
    body = {"content": "a: [" + "a," * 1000 + "]", "headers": {"Content-Type": "application/yaml"}}
    for who, status, times in ((None, 401, 0), ("viewer", 403, 0), ("editor", 202, 1)):
        assert service.call("POST", path, who, **body).status_code == status
        assert len(parsed) == times


def test_only_archives_of_the_service_are_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    object.__setattr__(service.settings, "archives", (("https://pacs/dicom-web", "PACS_TOKEN"),))

    def ask(**dicomweb: str) -> tuple[int, str]:
        config = {"data": {"source": "dicomweb", "dicomweb": dicomweb, "dicom": {"label_from": "none"}}}
        answer = service.call("POST", "/v1/datasets", json=config)
        return answer.status_code, answer.text

    for url in ("http://169.254.169.254/latest", "http://localhost:8000/", "https://pacs/dicom-web/../x"):
        assert ask(url=url)[0] == 422
    status, said = ask(url="https://pacs/dicom-web", token_env="AWS_SECRET_ACCESS_KEY")
    assert status == 422
    assert "PACS_TOKEN" not in said
    assert ask(token_env="PACS_TOKEN")[0] == 422
    assert ask(url="https://pacs/dicom-web", token_env="PACS_TOKEN")[0] == 202


def test_no_module_is_imported_by_name(service: Service) -> None:
    for config in (
        {"data": {"source": "os.system"}},
        {"data": {"source": "digits"}, "classifier": {"name": "os.system"}},
        {"data": {"source": "digits"}, "gan": {"_target_": "os.system"}},
        {"data": {"source": "digits"}, "__class__": {}},
    ):
        answer = service.call("POST", "/v1/jobs/run", json=config)
        assert answer.status_code == 422


def test_more_processes_than_cores_are_not_to_be_had(service: Service) -> None:
    for key in ("workers", "threads"):
        answer = service.call("POST", "/v1/jobs/run", json=TINY | {"compute": {key: 100_000}})
        assert f"compute.{key}" in answer.json()["detail"]


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


BODIES: list[tuple[str, bytes]] = [
    ("json", b'{"a":' * 9_000),
    ("json", b'{"a":' * 9_000 + b"1" + b"}" * 9_000),
    ("json", b"[" * 60_000),
    ("json", json.dumps(nested(100)).encode()),
    ("json", b'{"seed": 1e999}'),
    ("json", b'{"seed": NaN}'),
    ("json", b'{"seed": ' + b"9" * 10_000 + b"}"),
    ("json", b'{"data": {"source": "\\ud800"}}'),
    ("json", b'{"data": {"source": "a\\u0000b"}}'),
    ("json", b"\xff\xfe{}"),
    ("json", b""),
    ("json", b"null"),
    ("json", b"[]"),
    ("yaml", b"a: " + b"[" * 50_000),
    ("yaml", b"".join(b" " * level + b"a:\n" for level in range(300))),
    ("yaml", b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]"),
    ("yaml", b"!!python/object/apply:os.system ['true']"),
    ("yaml", b"data: !!python/name:os.system"),
    ("yaml", b"data: {source: 2026-01-01}"),
    ("yaml", b"seed: .inf"),
    ("yaml", b"? [a, b]\n: c"),
    ("yaml", b"\t"),
    ("yaml", b"--- 1\n--- 2"),
]


@pytest.mark.parametrize(("kind", "content"), BODIES, ids=range(len(BODIES)))
def test_bodies_that_are_deep_endless_or_not_plain(service: Service, kind: str, content: bytes) -> None:
    headers = {"content-type": f"application/{kind}"}
    answer = service.call("POST", "/v1/jobs/run", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.call("GET", "/healthz", None).status_code == 200


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/session", "/v1/models/{id}/sample"])
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b'{"seed": 1e999}', b"\xff"]
)
def test_the_other_bodies_are_as_wary(service: Service, path: str, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = service.call("POST", path.format(id="0" * 24), "admin", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_depth_is_counted_alike_in_both_languages() -> None:
    text = json.dumps(nested(5)).encode()
    for kind in ("application/json", "application/yaml"):
        assert parse_object(text, kind, 6) == nested(5)
        with pytest.raises(Problem, match="nested more than 5"):
            parse_object(text, kind, 5)


@pytest.mark.parametrize("text", ["' OR '1'='1", "'; DROP TABLE jobs; --", '" OR ""="', "%' --", "\\'; --"])
def test_sql_in_every_place_a_caller_writes(service: Service, text: str) -> None:
    mine = service.submit()
    theirs = service.submit(who="stranger")
    for path in (f"/v1/jobs/{text}", f"/v1/jobs?after={text}", f"/v1/jobs?run={text}", f"/v1/jobs?state={text}"):
        assert service.call("GET", path.replace("%", "%25")).status_code in (404, 422)
    headers = {"Idempotency-Key": text.replace(" ", "")}
    answers = [service.call("POST", "/v1/jobs/import", json=TINY, headers=headers).json() for _ in range(2)]
    assert answers[0]["id"] == answers[1]["id"]
    service.call("POST", "/v1/keys", "admin", json={"name": text, "role": "viewer"})
    found = [row["id"] for row in service.call("GET", "/v1/jobs").json()["items"]]
    assert found == [answers[0]["id"], mine["id"]]
    assert theirs["id"] not in found


def test_labels_are_text_wherever_they_come_from(service: Service, whole_run: Path) -> None:
    from gan_aug_service.products.summaries import report_csv

    report = json.loads((whole_run / "report.json").read_text())
    evil = '=cmd|"/c calc"!A1'
    arm = report["arms"]["real"]
    arm["per_class"] = {evil: next(iter(arm["per_class"].values()))}
    assert f'"\'{evil.replace(chr(34), chr(34) * 2)}"' in report_csv(report)
    run = service.place(whole_run)
    answer = service.call("POST", f"/v1/models/{run}/sample", json={"label": "<script>alert(1)</script>"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_answer_has_safe_headers(service: Service) -> None:
    for path, who in (("/healthz", None), ("/v1/jobs", "viewer"), ("/v1/nothing", None), ("/openapi.json", None)):
        headers = service.call("GET", path, who).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_fault_of_ours_tells_nothing_of_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the password is secret")

    monkeypatch.setattr("gan_aug_service.routes.jobs.paginate", fail)
    answer = service.call("GET", "/v1/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert service.call("GET", "/healthz", None).status_code == 200


def test_where_the_service_keeps_things_is_not_told(service: Service) -> None:
    data, state = service.settings.data, service.settings.state
    assert data
    said = f"{data}/chest and '{data}', {state}/runs/1/report.json, {state}, {data}base/x, {state.parent}"
    told = f"chest and '.', 1/report.json, ., {data}base/x, {state.parent}"
    assert service.settings.hide_paths(said) == told


def test_an_idempotency_key_belongs_to_its_key_and_request(service: Service) -> None:
    headers = {"Idempotency-Key": "once"}

    def post(who: str, **changes: Any) -> Any:
        return service.call("POST", "/v1/jobs/import", who, json=TINY | changes, headers=headers)

    first = post("editor")
    again = post("editor")
    assert first.json()["id"] == again.json()["id"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert post("editor", seed=1).status_code == 422
    assert post("stranger").json()["id"] != first.json()["id"]
    assert len(service.call("GET", "/v1/jobs", "admin").json()["items"]) == 2


def test_repeated_at_the_same_moment_a_request_makes_one_job(service: Service) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def post(_: int) -> str:
        answer = service.call("POST", "/v1/jobs/import", json=TINY, headers={"Idempotency-Key": "at-once"})
        assert answer.status_code == 202, answer.text
        identifier: str = answer.json()["id"]
        return identifier

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(24)))) == 1
    assert len(service.call("GET", "/v1/jobs").json()["items"]) == 1


def test_what_the_documentation_says_was_tried_is_tried() -> None:
    import re

    text = (ROOT / "docs" / "explanation" / "service-security.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    assert len(rows) > 20
    there = {
        name
        for file in [*TESTS.glob("service/**/test_*.py"), *TESTS.glob("cluster/test_*.py")]
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row[3]))
        assert named, row[1]
        assert named <= there, named - there
