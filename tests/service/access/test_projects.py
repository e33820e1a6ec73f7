"""Projects: made on purpose, owned things, members with roles, and sets that one project shares with another."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, select, text

from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.privacy.record import read_audit, write_audit
from gan_aug_service.database.engine import Database, migrate
from gan_aug_service.database.sharing_tables import Project
from gan_aug_service.database.tables import Key
from gan_aug_service.settings import Settings
from tests.service.uploads.test_uploads import zipped
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import TINY, Service

BEFORE_PROJECTS = "0007"
ZIP: dict[str, Any] = {"content": zipped({"a/1.png": b"1"}), "headers": {"Content-Type": "application/zip"}}
OTHERS = {"colleague": 403, "viewer": 403, "releaser": 403, "stranger": 404}
"""Who may not end what an editor of the project made, and how they are told."""


def detail(answer: Any, status: int) -> str:
    """The detail of an answer that is a problem of this status."""
    assert answer.status_code == status, answer.text
    said: str = answer.json()["detail"]
    return said


def project_id(service: Service, name: str) -> str:
    return {one["name"]: one["id"] for one in service.call("GET", "/v1/projects", "admin").json()["items"]}[name]


def notices(service: Service, who: str, query: str = "") -> list[str]:
    return [one["text"] for one in service.call("GET", f"/v1/notices{query}", who).json()["items"]]


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


def test_projects_are_made_of_the_names_that_are_in_use(database: str | None, tmp_path: Path) -> None:
    url = Settings(tmp_path, database=database).database_url
    engine = create_engine(url)
    migrate(engine, BEFORE_PROJECTS)
    with engine.begin() as connection:
        key = (
            "INSERT INTO keys (id, name, role, project, secret_sha256, created) VALUES ({}, 'n', 'editor', {}, 's', {})"
        )
        for number, project in enumerate(("lungs", "lugns", "a/b ü'")):
            values = {"id": f"k{number}", "project": project, "created": "2026-01-01 00:00:00"}
            connection.execute(text(key.format(":id", ":project", ":created")), values)
        run = "INSERT INTO runs (id, project, created, dataset, model, synthetic, report) VALUES ('r', 'gone', {}, {})"
        false = ", ".join(["false"] * 4)
        connection.execute(text(run.format("'2026-01-01 00:00:00'", false)))
    engine.dispose()
    opened = Database(url)
    with opened.reading() as session:
        made = session.scalars(select(Project).order_by(Project.name)).all()
        assert sorted(one.name for one in made) == ["a/b ü'", "default", "gone", "lugns", "lungs"]
        assert all(one.title == one.name and one.archived is None and len(one.id) == 24 for one in made)
    opened.close()


def test_a_project_is_made_by_an_administrator_alone_and_a_typo_makes_none(service: Service) -> None:
    body = {"name": "teaching", "title": "Lehre für Jürgen"}
    for who in ("viewer", "editor", "releaser", "manager"):
        detail(service.call("POST", "/v1/projects", who, json=body), 403)
    made = service.call("POST", "/v1/projects", "admin", json=body).json()
    assert (made["name"], made["title"], made["archived"], made["shared_with"]) == (*body.values(), None, [])
    assert "there is a project teaching" in detail(
        service.call("POST", "/v1/projects", "admin", json=body | {"name": "Teaching"}), 409
    )
    key = {"name": "x", "role": "viewer", "project": "techning"}
    assert detail(service.call("POST", "/v1/keys", "admin", json=key), 422).endswith(
        "there is no project 'techning': did you mean teaching?"
    )
    assert "an administrator makes projects" in detail(
        service.call("POST", "/v1/keys", "admin", json=key | {"project": "zzz"}), 422
    )
    assert service.call("POST", "/v1/keys", "admin", json=key | {"project": "teaching"}).status_code == 201
    listed = service.call("GET", "/v1/projects", "admin").json()["items"]
    assert {one["name"] for one in listed} == {"default", "lungs", "bones", "teaching"}
    assert [one["name"] for one in service.call("GET", "/v1/projects", "viewer").json()["items"]] == ["lungs"]
    detail(service.call("GET", f"/v1/projects/{made['id']}", "manager"), 404)


def test_a_job_names_a_project_that_is_there(service: Service) -> None:
    asked = [
        ("/v1/jobs/import?project={}", {"json": TINY}),
        ("/v1/datasets?project={}", {"json": TINY}),
        (
            "/v1/uploads?project={}",
            {"content": zipped({"a/1.png": b"1"}), "headers": {"Content-Type": "application/zip"}},
        ),
    ]
    for path, more in asked:
        said = detail(service.call("POST", path.format("lugns"), "admin", **more), 422)
        assert "there is no project 'lugns': did you mean lungs?" in said
        assert "your key is of the project lungs" in detail(service.call("POST", path.format("bones"), **more), 422)
        detail(service.call("POST", path.format("lungs"), "viewer", **more), 403)
        for who in ("admin", "editor"):
            answer = service.call("POST", path.format("lungs"), who, **more)
            assert answer.status_code in (201, 202), answer.text
            assert answer.json()["project"] == "lungs"
    assert len(service.call("GET", "/v1/jobs", "viewer").json()["items"]) == 4


def test_a_project_is_renamed_archived_and_opened_again(service: Service, run: str) -> None:
    lungs = f"/v1/projects/{project_id(service, 'lungs')}"
    for who in ("viewer", "editor", "releaser"):
        assert "ask manager, who manages lungs, or an administrator" in detail(
            service.call("PATCH", lungs, who, json={"title": "Thorax"}), 403
        )
    detail(service.call("PATCH", lungs, "stranger", json={"title": "Thorax"}), 404)
    assert service.call("PATCH", lungs, "manager", json={"title": "Thorax"}).json()["title"] == "Thorax"
    assert "only an admin" in detail(service.call("PATCH", lungs, "manager", json={"archived": True}), 403)
    job = service.submit()
    assert "wait or work" in detail(service.call("PATCH", lungs, "admin", json={"archived": True}), 409)
    service.call("DELETE", f"/v1/jobs/{job['id']}")
    assert service.call("PATCH", lungs, "admin", json={"archived": True}).json()["archived"]
    assert service.call("GET", f"/v1/synthetic/{run}", "viewer").status_code == 200
    asked = [
        ("POST", "/v1/jobs/import", {"json": TINY}),
        ("POST", f"/v1/jobs/compare?run={run}", {"json": TINY}),
        ("POST", f"/v1/jobs/{job['id']}/resume", {}),
        ("POST", "/v1/uploads", ZIP),
    ]
    for method, path, more in asked:
        assert "is archived" in detail(service.call(method, path, **more), 409), path
    key = {"name": "x", "role": "viewer", "project": "lungs"}
    assert "is archived" in detail(service.call("POST", "/v1/keys", "admin", json=key), 409)
    service.call("PATCH", lungs, "admin", json={"archived": False})
    service.submit()
    actions = [entry["action"] for entry in service.call("GET", "/v1/audit", "admin").json()["items"]]
    assert {"project.rename", "project.archive", "project.open"} <= set(actions)


def test_what_is_anothers_is_ended_by_its_managers_and_the_owner_is_told(service: Service, whole_run: Path) -> None:
    for who in ("editor", "manager", "admin"):
        job, run = service.submit(), service.place(whole_run)
        upload = service.call(
            "POST", "/v1/uploads", content=zipped({"a/1.png": b"1"}), headers={"Content-Type": "application/zip"}
        ).json()
        things = [f"/v1/jobs/{job['id']}", f"/v1/runs/{run}", f"/v1/uploads/{upload['id']}"]
        for path in things:
            for other, status in OTHERS.items():
                said = detail(service.call("DELETE", path, other), status)
                if other == "colleague":
                    assert "belongs to editor: ask them, or manager, who manages lungs, or an administrator" in said
        assert "belongs to editor" in detail(service.call("PUT", f"{things[0]}/pause", "colleague"), 403)
        before = notices(service, "editor")
        for path in things:
            assert service.call("DELETE", path, who).status_code in (202, 204)
        assert service.call("DELETE", things[0], who).status_code == 202, "once more, and nobody is told again"
        told = notices(service, "editor")[: -len(before) or None]
        ends = (
            f"removed your upload {upload['id'][-6:]}",
            f"removed your run {run[-6:]}",
            f"stopped your job import {job['id'][-6:]}",
        )
        assert told == ([] if who == "editor" else [f"{who} {end}." for end in ends])
        sign_in(service, "viewer")
        page = see(service, f"/jobs/{job['id']}").text
        assert (f"Stopped by {who}, " in page) == (who != "editor")
        assert (f"Removed by {who}, " in see(service, f"/jobs/{run}").text) == (who != "editor")
    assert notices(service, "manager") == notices(service, "colleague") == []
    sign_in(service, "editor")
    assert "6 notices" in see(service, "/").text
    assert "manager removed your run" in see(service, "/notices").text
    send(service, "/notices/read")
    assert notices(service, "editor", "?unread=true") == []
    assert len(notices(service, "editor")) == 6


def test_who_worked_in_a_run_of_another_is_told_too(service: Service, run: str) -> None:
    assert service.call("POST", f"/v1/jobs/compare?run={run}", "colleague", json=TINY).status_code == 202
    (job, *_) = service.call("GET", f"/v1/jobs?run={run}", "viewer").json()["items"]
    assert service.call("DELETE", f"/v1/jobs/{job['id']}", "colleague").status_code == 202
    detail(service.call("DELETE", f"/v1/runs/{run}", "colleague"), 403)
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 204
    assert notices(service, "colleague") == [f"editor removed a run that you worked in, {run[-6:]}."]


def test_members_get_other_roles_and_are_removed_by_their_managers(service: Service) -> None:
    place = f"/v1/projects/{project_id(service, 'lungs')}/members"
    for who, status in (("viewer", 403), ("editor", 403), ("releaser", 403), ("stranger", 404)):
        detail(service.call("GET", place, who), status)
        detail(service.call("PATCH", f"{place}/{service.key_ids['viewer']}", who, json={"role": "manager"}), status)
    listed = service.call("GET", place, "manager").json()["items"]
    assert {(one["name"], one["role"]) for one in listed} == {
        ("editor", "editor"), ("releaser", "releaser"), ("viewer", "viewer"), ("manager", "manager"),
        ("colleague", "editor"),
    }  # fmt: skip
    assert all("key" not in one and "secret_sha256" not in one for one in listed)
    viewer = f"{place}/{service.key_ids['viewer']}"
    detail(service.call("POST", "/v1/jobs/import", "viewer", json=TINY), 403)
    assert service.call("PATCH", viewer, "manager", json={"role": "editor"}).json()["role"] == "editor"
    assert service.call("POST", "/v1/jobs/import", "viewer", json=TINY).status_code == 202, "from the next request on"
    assert "only an admin makes another admin" in detail(
        service.call("PATCH", viewer, "manager", json={"role": "admin"}), 403
    )
    for other in ("stranger", "admin"):
        detail(service.call("PATCH", f"{place}/{service.key_ids[other]}", "manager", json={"role": "viewer"}), 404)
    with service.components.database.writing() as session:
        session.get_one(Key, service.key_ids["colleague"]).identity = "a person of the provider"
    person = f"{place}/{service.key_ids['colleague']}"
    assert "groups there give" in detail(service.call("PATCH", person, "manager", json={"role": "viewer"}), 409)
    assert service.call("DELETE", viewer, "manager").json()["revoked"]
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 401
    last = f"/v1/projects/{project_id(service, 'default')}/members/{service.key_ids['admin']}"
    assert "last one" in detail(service.call("DELETE", last, "admin"), 409)
    assert "last one" in detail(service.call("PATCH", last, "admin", json={"role": "viewer"}), 409)


@pytest.fixture
def replaced(service: Service, run: str) -> str:
    """A run whose audit replaced image 0 by a black one: what leaves is not what the run holds."""
    folder = service.settings.runs / run
    made = SyntheticManifest.load(folder / "synthetic/manifest.json")
    shutil.rmtree(folder / "audit")
    shutil.copytree(folder / "synthetic", folder / "audit")
    shard = made.shards[0]
    images = np.load(folder / "audit" / shard.file)
    images[0] = 0
    with (folder / "audit" / shard.file).open("wb") as file:
        np.save(file, images)
    summed = replace(shard, sha256=hashlib.sha256((folder / "audit" / shard.file).read_bytes()).hexdigest())
    released = replace(made, shards=(summed, *made.shards[1:]), replaced=((0, 100),))
    released.save(folder / "audit/manifest.json")
    record = read_audit(folder)
    assert record
    write_audit(folder, record | {"released": released.fingerprint})
    return run


def test_a_released_set_is_seen_by_the_projects_it_is_shared_with_and_nothing_else(
    service: Service, replaced: str
) -> None:
    run = replaced
    lungs = f"/v1/projects/{project_id(service, 'lungs')}/shares"
    documented = service.call("GET", "/openapi.json").json()["paths"]
    routes = [
        (method.upper(), path.replace("{index}", "0"))
        for path, operations in documented.items()
        for method in operations
        if path.startswith("/v1/") and "{" in path and "{key}" not in path and "{verb}" not in path
    ]
    assert len(routes) > 25
    pages = [
        *(f"/{kind}/{{id}}" for kind in ("datasets", "models", "reports", "jobs")), "/synthetic/{id}/pairs",
        "/synthetic/{id}/pairs.png", "/datasets/{id}/contact/3.png", "/models/{id}/sample.png?label=3",
        "/reports/{id}/page", "/runs/{id}/remove", "/jobs/{id}/images/loss.png", "/jobs/{id}/samples",
    ]  # fmt: skip
    shared_pages = ["/synthetic/{id}", "/synthetic/{id}/images/0", "/synthetic/{id}/images/0.png"]
    bodies: dict[str, Any] = {"sample": {"label": "3"}, "walk": {"label": "3"}, "releases": {"recipient": "us all"}}
    bodies["cases"] = {"label": "3", "confidence": 0.5}

    def seen(who: str) -> set[str]:
        """What a caller gets of the run, of all routes and pages; all else must not be there for them."""
        got = set()
        for method, path in routes:
            body = {"json": bodies.get(path.rpartition("/")[2], {})} if method in ("POST", "PATCH") else {}
            asked = path.format(id=run) + ("?reader=bones" if method == "DELETE" and "shares" in path else "")
            answer = service.call(method, asked, who, **body)
            assert answer.status_code in (200, 404, 422) or answer.status_code == 403, (method, path, answer.text)
            if answer.status_code == 200:
                got.add(f"{method} {path}")
            elif answer.status_code != 404:
                assert run not in answer.text, (method, path)
        sign_in(service, who)
        for path in (*pages, *shared_pages):
            status = see(service, path.format(id=run)).status_code
            assert status in (200, 403, 404)
            got |= {path} if status == 200 else set()
        for noun in ("jobs", "datasets", "models", "synthetic", "reports", "releases", "uploads"):
            if run in service.call("GET", f"/v1/{noun}", who).text:
                got.add(f"list {noun}")
        return got

    nothing: set[str] = set()
    assert seen("stranger") == nothing
    service.release(run)
    assert seen("stranger") == nothing, "released, and not shared"
    for who, status in (("viewer", 403), ("editor", 403), ("releaser", 403), ("stranger", 404)):
        detail(service.call("POST", lungs, who, json={"reader": "bones"}), status)
    assert "did you mean bones?" in detail(service.call("POST", lungs, "manager", json={"reader": "bonse"}), 422)
    assert "itself" in detail(service.call("POST", lungs, "manager", json={"reader": "lungs"}), 422)
    assert service.call("POST", lungs, "manager", json={"reader": "bones"}).json()["shared_with"] == ["bones"]
    shared = {"GET /v1/synthetic/{id}", "GET /v1/synthetic/{id}/download", "list synthetic", *shared_pages}
    assert seen("stranger") == shared
    service.call(
        "PATCH", f"/v1/runs/{run}", json={"title": "Films, made up", "notes": "for Jürgen", "tags": ["secret"]}
    )
    (listed,) = service.call("GET", "/v1/synthetic", "stranger").json()["items"]
    assert listed["title"] == "Films, made up"
    assert not any(listed[name] for name in ("notes", "tags", "owner", "source", "data_name", "verdict"))
    found = {}
    for query in ("q=made", "q=jürgen", "q=secret", "q=digits", "tag=secret", "label=3", "project=lungs", "sort=title"):
        found[query] = service.call("GET", f"/v1/synthetic?{query}", "stranger").json()["items"] != []
    assert [query for query, there in found.items() if there] == ["q=made", "project=lungs", "sort=title"]
    assert (listed["dataset"], listed["model"], listed["report"]) == (False, False, False)
    folder = service.settings.runs / run
    left = SyntheticManifest.load(folder / "audit/manifest.json").fingerprint
    assert service.call("GET", f"/v1/synthetic/{run}", "stranger").json()["fingerprint"] == left
    assert service.call("GET", f"/v1/synthetic/{run}", "viewer").json()["fingerprint"] != left
    sign_in(service, "stranger")
    image = see(service, f"/synthetic/{run}/images/0.png").content
    page = see(service, f"/synthetic/{run}").text
    assert "Shared by Lungs" in page
    assert f"/jobs/{run}" not in page
    sign_in(service, "viewer")
    assert see(service, f"/synthetic/{run}/images/0.png").content != image, "inside, the set is as it was made"
    record = read_audit(folder)
    assert record
    write_audit(folder, record | {"set": {"allowed": False, "reasons": ["copies"]}})
    assert seen("stranger") == nothing, "another audit refuses it"
    write_audit(folder, record)
    assert seen("stranger") == shared
    ended = [service.call("DELETE", f"/v1/releases/{one['id']}", "releaser") for one in
             service.call("GET", f"/v1/synthetic/{run}/releases", "viewer").json()["items"]]  # fmt: skip
    assert ended
    assert seen("stranger") == nothing, "withdrawn"
    service.release(run, "synthetic")
    assert service.call("GET", f"/v1/synthetic/{run}", "stranger").status_code == 200
    assert service.call("DELETE", f"{lungs}?reader=bones", "manager").json()["shared_with"] == []
    detail(service.call("DELETE", f"{lungs}?reader=bones", "manager"), 404)
    assert seen("stranger") == nothing, "shared no more"
