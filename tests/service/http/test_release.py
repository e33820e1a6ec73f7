"""Sets and models leave the service when they are released, through the gate of the privacy audit alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gan_aug.privacy.record import read_audit, write_audit
from gan_aug_service.database.tables import Role
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, Service

DOORS = ("/v1/synthetic/{}/download", "/v1/synthetic/{}/download?format=npz", "/v1/models/{}/download")
KINDS = ("synthetic", "models")
BODY = {"recipient": "the teaching class"}
REFUSED = {"allowed": False, "reasons": ["copies"]}


@pytest.fixture
def database() -> None:
    """SQLite alone; `test_roles` has what depends on the records."""


def assert_problem(answer: Any, status: int) -> str:
    """The detail of an answer that is a problem of this status."""
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    return detail


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


def judge(service: Service, run: str, **changes: Any) -> None:
    """Alter the audit of a run as another one would say it."""
    folder = service.settings.runs / run
    record = read_audit(folder)
    assert record
    write_audit(folder, record | changes)


def noted(service: Service, run: str) -> list[dict[str, Any]]:
    """What the gate has noted."""
    path = service.settings.runs / run / "releases.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_audit_is_told_and_its_pairs_are_for_those_who_see_real_images(service: Service, run: str) -> None:
    told = service.call("GET", f"/v1/synthetic/{run}/audit", "viewer").json()
    assert (told["set_allowed"], told["model_allowed"]) == (True, True)
    assert told["verdict"] == "The set may be released. The model may be released."
    assert "evidence, not proof" in told["unseen"]
    assert_problem(service.call("GET", f"/v1/synthetic/{run}/audit", "stranger"), 404)
    pairs = f"/v1/synthetic/{run}/audit/pairs"
    for who in ("editor", "releaser", "admin"):
        picture = service.call("GET", pairs, who)
        assert picture.content.startswith(b"\x89PNG")
        assert picture.headers["cache-control"] == "no-store"
        sign_in(service, who)
        assert "Below each real training image" in see(service, f"/synthetic/{run}/pairs").text
        assert see(service, f"/synthetic/{run}/pairs.png").content == picture.content
        assert see(service, f"/datasets/{run}/contact/3.png").status_code == 200
    assert "editor or releaser" in assert_problem(service.call("GET", pairs, "viewer"), 403)
    assert_problem(service.call("GET", pairs, "stranger"), 404)
    sign_in(service, "viewer")
    for path in ("pairs", "pairs.png"):
        assert see(service, f"/synthetic/{run}/{path}").status_code == 403
    looks = service.call("GET", f"/v1/audit?target={run}", "admin").json()["items"]
    assert sum(entry["action"] == "synthetic.nearest_pairs" for entry in looks) == 6


def test_nothing_is_downloaded_before_it_is_released_and_it_is_said_whom_to_ask(service: Service, run: str) -> None:
    for door in DOORS:
        for who in ("viewer", "editor"):
            said = assert_problem(service.call("GET", door.format(run), who), 403)
            assert said.endswith("was not released: ask releaser, who may release in lungs, or an administrator")
        for who in ("releaser", "admin"):
            assert "release it first" in assert_problem(service.call("GET", door.format(run), who), 403)
        assert_problem(service.call("GET", door.format(run), "stranger"), 404)
    assert noted(service, run) == []
    service.call("DELETE", f"/v1/keys/{service.key_ids['releaser']}", "admin")
    said = assert_problem(service.call("GET", DOORS[0].format(run), "viewer"), 403)
    assert said.endswith("ask an administrator, since nobody else may release in lungs")


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_is_made_used_told_and_withdrawn(service: Service, run: str, kind: str) -> None:
    place, (door, *_) = f"/v1/{kind}/{run}/releases", [path for path in DOORS if kind in path]
    for who, status in (("viewer", 403), ("editor", 403), ("stranger", 404)):
        said = assert_problem(service.call("POST", place, who, json=BODY), status)
        assert status == 404 or "ask releaser, who may release in lungs" in said
    made = service.call("POST", place, "releaser", json=BODY).json()
    assert (made["recipient"], made["released_by"], made["reason"], made["stands"]) == (
        "the teaching class", "releaser", None, True
    )  # fmt: skip
    folder = service.settings.runs / run
    assert made["audit"] == json.loads((folder / "audit.json").read_text())["sum"]
    assert service.call("POST", place, "releaser", json=BODY).json()["id"] == made["id"], "twice is once"
    other = "synthetic" if kind == "models" else "models"
    assert_problem(service.call("GET", next(path for path in DOORS if other in path).format(run), "viewer"), 403)
    for who in ("viewer", "editor", "releaser", "admin"):
        assert service.call("GET", door.format(run), who).status_code == 200
        assert service.call("GET", place, who).json()["items"] == [made]
        assert service.call("GET", "/v1/releases", who).json() == {"items": [made], "next": None}
    assert_problem(service.call("GET", door.format(run), "stranger"), 404)
    assert_problem(service.call("GET", place, "stranger"), 404)
    assert service.call("GET", "/v1/releases", "stranger").json()["items"] == []
    entries = noted(service, run)
    assert entries[0]["door"] == "release to the teaching class"
    assert {entry["door"].partition(", ")[2] for entry in entries[1:]} == {"released to the teaching class"}
    record = f"/v1/releases/{made['id']}"
    for who, status in (("viewer", 403), ("editor", 403), ("stranger", 404)):
        assert_problem(service.call("DELETE", record, who), status)
    ended = service.call("DELETE", record, "releaser").json()
    assert (ended["withdrawn_by"], ended["stands"]) == ("releaser", False)
    assert service.call("DELETE", record, "admin").json() == ended, "it is withdrawn once"
    assert_problem(service.call("GET", door.format(run), "viewer"), 403)
    trail = service.call("GET", f"/v1/audit?target={run}", "admin").json()["items"]
    told = [(entry["action"], entry["detail"]) for entry in trail if "download" not in entry["action"]]
    assert told == [
        ("release.withdraw", f"release {made['id']} to the teaching class"),
        (f"{kind.removesuffix('s')}.release", f"to the teaching class; audit {made['audit'][:16]}"),
    ]


@pytest.mark.parametrize("refused", [True, False])
def test_nothing_leaves_that_is_refused_or_was_not_audited(service: Service, run: str, refused: bool) -> None:
    folder = service.settings.runs / run
    if refused:
        judge(service, run, set=REFUSED, model=REFUSED)
    else:
        (folder / "audit.json").unlink()
        assert "was not audited" in assert_problem(service.call("GET", f"/v1/synthetic/{run}/audit", "viewer"), 404)
    why = "are like copies of training images" if refused else "no audit of it was made"
    for door in DOORS:
        for who in ("viewer", "editor", "releaser", "admin"):
            assert why in assert_problem(service.call("GET", door.format(run), who), 409)
        reason = {"release_anyway": "for the ethics board"}
        for who in ("editor", "releaser"):
            assert "only an admin" in assert_problem(service.call("GET", door.format(run), who, params=reason), 403)
    against = BODY | {"reason": "for the ethics board"}
    for kind in KINDS:
        place = f"/v1/{kind}/{run}/releases"
        assert why in assert_problem(service.call("POST", place, "releaser", json=BODY), 409)
        assert "only an admin" in assert_problem(service.call("POST", place, "releaser", json=against), 403)
        assert "release it with a reason" in assert_problem(service.call("POST", place, "admin", json=BODY), 409)
    assert noted(service, run) == []
    assert (
        service.call("GET", f"{DOORS[0].format(run)}?release_anyway=for+the+ethics+board", "admin").status_code == 200
    )
    (entry,) = noted(service, run)
    assert (entry["anyway"], entry["audited"]) == ("for the ethics board", refused)
    trail = service.call("GET", "/v1/audit", "admin").json()["items"][0]
    assert trail["action"] == "synthetic.download"
    assert "for the ethics board" in trail["detail"]
    (once,) = service.call("GET", f"/v1/synthetic/{run}/releases", "viewer").json()["items"]
    assert (once["recipient"], once["reason"], once["stands"]) == (
        "one download by admin", "for the ethics board", False
    )  # fmt: skip
    assert why in assert_problem(service.call("GET", DOORS[0].format(run), "viewer"), 409), "it was for that download"
    made = service.call("POST", f"/v1/synthetic/{run}/releases", "admin", json=against).json()
    assert (made["reason"], made["audit"] is not None) == ("for the ethics board", refused)
    assert service.call("GET", DOORS[0].format(run), "viewer").status_code == 200


def test_a_release_ends_when_another_audit_refuses_what_it_was_for(service: Service, run: str) -> None:
    service.release(run, "synthetic")
    judge(service, run, set=REFUSED)
    assert "like copies" in assert_problem(service.call("GET", DOORS[0].format(run), "viewer"), 409)
    against = service.release(run, "synthetic", reason="films of a phantom")[0]
    assert service.call("GET", DOORS[0].format(run), "viewer").status_code == 200
    judge(service, run, set=REFUSED | {"reasons": ["copies", "irreplaceable"]})
    assert "could not be replaced" in assert_problem(service.call("GET", DOORS[0].format(run), "viewer"), 409)
    rows = service.call("GET", f"/v1/synthetic/{run}/releases", "viewer").json()["items"]
    assert [(row["id"] == against, row["stands"]) for row in rows] == [(True, False), (False, False)]
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 204
    rows = service.call("GET", "/v1/releases", "viewer").json()["items"]
    assert {row["withdrawn_by"] for row in rows} == {"editor"}, "what is removed is released no more, and it is kept"


@pytest.mark.parametrize("recipient", ["", "ab", "x" * 301, "a\nb", "a\u202eb", 7, None])
def test_to_whom_is_a_line_of_words(service: Service, run: str, recipient: Any) -> None:
    answer = service.call("POST", f"/v1/synthetic/{run}/releases", "releaser", json={"recipient": recipient})
    assert "recipient" in assert_problem(answer, 422)


def test_it_is_released_and_withdrawn_on_its_page(service: Service, run: str) -> None:
    for path in ("/synthetic", "/models"):
        sign_in(service, "viewer")
        page = see(service, f"{path}/{run}").text
        assert "cannot be downloaded: ask releaser, who may release in lungs, or an administrator" in page
        assert "/download" not in page
        assert '<form method="post" action="/releases' not in page
        assert send(service, f"{path}/{run}/release", BODY).status_code == 403
        sign_in(service, "releaser")
        again = send(service, f"{path}/{run}/release", {"recipient": "ä"})
        assert "3 to 300 characters" in see(service, again.headers["location"]).text
        done = send(service, f"{path}/{run}/release", {"recipient": "Jürgen & <b>Söhne</b>"})
        assert (done.status_code, done.headers["location"]) == (303, f"{path}/{run}#release")
        page = see(service, f"{path}/{run}").text
        assert "Jürgen &amp; &lt;b&gt;Söhne&lt;/b&gt;" in page
        assert f"/v1{path}/{run}/download" in page
        (made,) = service.call("GET", f"/v1{path}/{run}/releases").json()["items"]
        assert f"/releases/{made['id']}/withdraw" in page
        sign_in(service, "viewer")
        assert f"/releases/{made['id']}/withdraw" not in see(service, f"{path}/{run}").text
        assert "Söhne" in see(service, "/releases").text
        sign_in(service, "stranger")
        assert "Söhne" not in see(service, "/releases").text
        assert send(service, f"/releases/{made['id']}/withdraw").status_code == 404
        sign_in(service, "admin")
        assert send(service, f"/releases/{made['id']}/withdraw").status_code == 303
        assert "by admin" in see(service, f"{path}/{run}").text
    assert see(service, f"/synthetic/{NOBODY}").status_code == 404


def test_roles_include_each_other_as_written_down() -> None:
    included = {role: {other for other in Role if role.includes(other)} for role in Role}
    assert included == {
        Role.VIEWER: {Role.VIEWER},
        Role.EDITOR: {Role.VIEWER, Role.EDITOR},
        Role.RELEASER: {Role.VIEWER, Role.RELEASER},
        Role.MANAGER: {Role.VIEWER, Role.EDITOR, Role.RELEASER, Role.MANAGER},
        Role.ADMIN: set(Role),
    }
