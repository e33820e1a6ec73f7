"""Invitations: who makes them, who gets a key by them and under which name, how often, until when, and what is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gan_aug_service.access import invitations
from gan_aug_service.database.invitation_tables import Invitation
from gan_aug_service.database.tables import AuditEntry, now
from gan_aug_service.http.shown_once import MOST, ShownOnce
from gan_aug_service.openapi.people.names import as_name, checked_name
from gan_aug_service.settings import Limits
from tests.support.service.page_samples import PAGE, see, send, sign_in
from tests.support.service.service_samples import Service

CLASS = {"name": "class of 2026", "role": "viewer", "project": "lungs", "uses": 2, "days": 7, "access_days": 30}


@pytest.fixture
def inviting(tmp_path: Path, limits: Limits) -> Iterator[Service]:
    with Service(tmp_path / "state", None, limits) as made:
        yield made


def invite(service: Service, **changes: Any) -> tuple[str, str]:
    """A new invitation's id, and its text."""
    answer = service.call("POST", "/v1/invitations", "admin", json=CLASS | changes)
    assert answer.status_code == 201, answer.text
    link = answer.json()["link"]
    assert link.startswith("http://testserver/join?invitation=invite_")
    return answer.json()["id"], link.partition("=")[2]


def follow(service: Service, text: str, name: str = "李雷") -> Any:
    return service.call("POST", "/v1/invitations/follow", None, json={"invitation": text, "name": name})


def test_each_who_follows_gets_a_key_of_their_own(service: Service) -> None:
    made, text = invite(service)
    keys = [follow(service, text, name) for name in ("Jürgen", "李雷")]
    assert [key.status_code for key in keys] == [201, 201]
    for key, name in zip(keys, ("Jürgen", "李雷"), strict=True):
        header = {"Authorization": f"Bearer {key.json()['key']}"}
        who = service.call("GET", "/v1/session", None, headers=header).json()
        assert (who["name"], who["role"], who["project"]) == (name, "viewer", "lungs")
        assert key.json()["expires"][:10] == f"{now() + timedelta(days=30):%Y-%m-%d}"
    assert follow(service, text).status_code == 404  # used up
    listed = service.call("GET", "/v1/invitations", "admin").json()["items"]
    assert [(row["id"], row["used"], row["open"]) for row in listed] == [(made, 2, False)]
    secret = text.split("_", 2)[2]
    with service.components.database.reading() as session:
        stored = str([vars(row) for table in (Invitation, AuditEntry) for row in session.scalars(select(table))])
        actions = [(row.action, row.target) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert secret not in stored
    assert actions == [("invitation.create", made), ("invitation.follow", made), ("invitation.follow", made)]


def test_two_at_the_same_moment_do_not_both_get_the_last_place(service: Service) -> None:
    _, text = invite(service, uses=3)
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: follow(service, text), range(8)))
    assert statuses == [201] * 3 + [404] * 5


def test_a_revoked_or_ended_invitation_is_followed_by_nobody(inviting: Service) -> None:
    made, text = invite(inviting)
    key = follow(inviting, text).json()
    header = {"Authorization": f"Bearer {key['key']}"}
    assert inviting.call("DELETE", f"/v1/invitations/{made}", "admin").json()["revoked"]
    assert follow(inviting, text).status_code == 404
    assert inviting.call("GET", "/v1/session", None, headers=header).status_code == 200  # the key stays
    assert inviting.call("DELETE", f"/v1/invitations/{made}?keys=true", "admin").status_code == 200
    assert inviting.call("GET", "/v1/session", None, headers=header).status_code == 401
    for column in ("expires", "access_until"):
        _, text = invite(inviting)
        with inviting.components.database.writing() as session:
            session.execute(update(Invitation).values({column: now() - timedelta(seconds=1)}))
        assert follow(inviting, text).status_code == 404
        assert see(inviting, f"/join?invitation={text}").status_code == 404


def test_managers_invite_to_their_project_and_nobody_to_be_one(inviting: Service) -> None:
    made, text = invite(inviting)
    for who, status in (("editor", 403), ("viewer", 403), ("stranger", 403), (None, 401)):
        assert inviting.call("POST", "/v1/invitations", who, json=CLASS).status_code == status
        assert inviting.call("GET", "/v1/invitations", who).status_code == status
        assert inviting.call("DELETE", f"/v1/invitations/{made}", who).status_code == status
    for wrong in (
        {"role": "admin"},
        {"uses": 0},
        {"uses": 1001},
        {"days": 0},
        {"days": 366},
        {"access_days": 0},
        {"x": 1},
    ):
        assert inviting.call("POST", "/v1/invitations", "admin", json=CLASS | wrong).status_code == 422, wrong
    own = inviting.call("POST", "/v1/invitations", "manager", json=CLASS | {"project": None})
    assert (own.status_code, own.json()["project"]) == (201, "lungs")
    assert inviting.call("POST", "/v1/invitations", "manager", json=CLASS | {"project": "bones"}).status_code == 403
    assert inviting.call("POST", "/v1/invitations", "manager", json=CLASS | {"role": "manager"}).status_code == 422
    assert inviting.call("POST", "/v1/invitations", "admin", json=CLASS | {"project": "none"}).status_code == 422
    bones, _ = invite(inviting, project="bones")
    seen = {row["project"] for row in inviting.call("GET", "/v1/invitations", "manager").json()["items"]}
    assert seen == {"lungs"}
    assert inviting.call("DELETE", f"/v1/invitations/{bones}", "manager").status_code == 404
    other, secret = text[:32], text[32:]
    for guess in (
        "",
        "invite_",
        text[:-1],
        text + "x",
        f"{other[:-2]}0_{secret}",
        text.replace("invite", "ganaug"),
        "' OR 1=1",
    ):
        assert follow(inviting, guess).status_code == 404, guess
    assert inviting.call("GET", "/v1/jobs", None, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert follow(inviting, text).status_code == 201


def test_a_class_joins_in_the_browser(inviting: Service) -> None:
    sign_in(inviting, "admin")
    wrong = send(inviting, "/invitations", CLASS | {"name": "<b>", "uses": "many"})
    assert (wrong.status_code, 'id="name-fault"' in wrong.text, 'id="uses-fault"' in wrong.text) == (422, True, True)
    assert 'value="&lt;b&gt;"' in wrong.text
    made = send(inviting, "/invitations", CLASS)
    assert made.status_code == 303
    shown = see(inviting, made.headers["location"]).text
    link = unescape(re.search(r'class="secret">([^<]+)<', shown)[1])  # type: ignore[index]
    assert (
        "invite_" not in see(inviting, made.headers["location"]).text
    )  # a reload shows it no more, and makes no other
    assert len(inviting.call("GET", "/v1/invitations", "admin").json()["items"]) == 1
    inviting.client.cookies.clear()
    path = link.removeprefix("http://testserver")
    page = see(inviting, path)
    assert (page.status_code, "<strong>lungs</strong>, as viewer" in page.text) == (200, True)
    fields = {"invitation": path.partition("=")[2], "name": "\u202e<script>"}
    assert inviting.client.post("/join", data=fields, headers=PAGE).status_code == 422
    elsewhere = PAGE | {"Sec-Fetch-Site": "cross-site"}
    fields["name"] = "  Jürgen "
    assert inviting.client.post("/join", data=fields, headers=elsewhere).status_code == 403
    joined = inviting.client.post("/join", data=fields, headers=PAGE, follow_redirects=False)
    assert (joined.status_code, joined.headers["location"]) == (303, "/welcome")
    welcome = see(inviting, "/welcome").text
    key = re.search(r'class="secret">([^<]+)<', welcome)[1]  # type: ignore[index]
    assert "Welcome, Jürgen" in welcome
    assert key not in see(inviting, "/welcome").text
    header = {"Authorization": f"Bearer {key}"}
    inviting.client.cookies.clear()
    assert inviting.call("GET", "/v1/session", None, headers=header).json()["name"] == "Jürgen"
    sign_in(inviting, "admin")
    path = re.search(r'href="(/invitations/\w+/revoke)"', see(inviting, "/invitations").text)[1]  # type: ignore[index]
    assert "1 of 2 people did" in see(inviting, path).text
    assert inviting.call("GET", "/v1/invitations", "admin").json()["items"][0]["revoked"] is None  # it asks first
    assert send(inviting, path, {"keys": "yes"}).headers["location"] == "/invitations"
    inviting.client.cookies.clear()
    assert inviting.call("GET", "/v1/session", None, headers=header).status_code == 401


def test_names_are_of_any_script_and_hide_nothing() -> None:
    for name in (
        "Jürgen",
        "李雷",
        "Ольга Петрова",
        "نور",
        "می‌خواهم",
        "O'Neill, M. (2b)",
        "नेहा",
        "ジョン・スミス",
        "7",
        "a" * 64,
    ):
        assert checked_name(name) == name
    assert checked_name("Ju\u0308rgen") == "Jürgen"  # however it was typed, it is the same name
    for name in (
        "",
        " ",
        " x",
        "x ",
        "a" * 65,
        "\u202ex",
        "x\u202e",
        "x\u200b",
        "x\n",
        "x\x00",
        "<b>",
        "=1",
        "@x",
        "😀",
        "x\ud800",
    ):
        with pytest.raises(ValueError, match="letters and digits of any script"):
            checked_name(name)
    assert as_name("Dr.\tMüller; <Jürgen>\u202e") == "Dr. Müller Jürgen"
    assert [as_name(text) for text in (None, 7, "", "\u202e", "=+-")] == [None] * 5
    assert as_name("x" * 200) == "x" * 64


def test_what_is_shown_once_is_shown_to_its_owner_and_not_kept() -> None:
    clock = [0.0]
    once = ShownOnce(lambda: clock[0])
    once.put("k", "r", "text")
    assert (once.take("other", "r"), once.take("k", "other"), once.take("k", "r"), once.take("k", "r")) == (
        None, None, "text", None,
    )  # fmt: skip
    once.put("k", "r", "text")
    clock[0] = 121.0
    assert once.take("k", "r") is None
    for number in range(MOST + 5):
        once.put("k", str(number), number)
    assert (once.take("k", "4"), once.take("k", "5")) == (None, 5)
    assert invitations.PATTERN.fullmatch("invite_x") is None
