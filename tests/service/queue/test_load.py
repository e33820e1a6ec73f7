"""What the calls cost that are made most: how often they ask the database, and what a known key is believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from gan_aug_service.access.keys import make_key
from gan_aug_service.database import key_cache
from gan_aug_service.database.key_cache import KeyCache
from gan_aug_service.database.tables import Key, Role, now
from tests.support.service.service_samples import Service


@contextmanager
def statements(service: Service) -> Iterator[list[str]]:
    """The statements that are sent to the database within the block."""
    sent: list[str] = []

    def note(*values: Any) -> None:
        if not values[2].startswith("BEGIN"):
            sent.append(values[2])

    event.listen(service.components.database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(service.components.database.engine, "before_cursor_execute", note)


def test_lists_and_statuses_ask_once_and_read_no_more_than_they_show(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "SECONDS", 1000.0)
    jobs = [service.submit()["id"] for _ in range(3)]
    service.components.supervisor._places = time.monotonic() + 1000, {}  # looked up once a moment, for all who ask
    for path in ("/v1/jobs", f"/v1/jobs/{jobs[0]}"):
        with statements(service) as sent:
            assert service.call("GET", path).status_code == 200
        assert len(sent) == 1, sent
        assert ("jobs.config" in sent[0], "jobs.request" in sent[0]) == (
            (False,) * 2 if path == "/v1/jobs" else (True,) * 2
        )


def test_a_revoked_key_is_not_believed(service: Service) -> None:
    for who in ("viewer", "editor"):
        assert service.call("GET", "/v1/jobs", who).status_code == 200
    service.call("DELETE", f"/v1/keys/{service.key_ids['viewer']}", "admin")
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 401
    assert service.call("GET", "/v1/jobs", "editor").status_code == 200


def test_an_expired_key_is_not_believed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "SECONDS", 1000.0)
    with service.components.database.writing() as session:
        _, text = make_key(session, "short", Role.VIEWER, "lungs", now() + timedelta(hours=1))
    headers = {"Authorization": f"Bearer {text}"}
    assert service.call("GET", "/v1/jobs", None, headers=headers).status_code == 200
    monkeypatch.setattr("gan_aug_service.access.keys.now", lambda: now() + timedelta(hours=1))
    assert service.call("GET", "/v1/jobs", None, headers=headers).status_code == 401


def test_a_key_revoked_elsewhere_is_believed_for_seconds(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "SECONDS", 0.5)
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 200
    with service.components.database.writing() as session:
        session.get_one(Key, service.key_ids["viewer"]).revoked = now()
    time.sleep(0.5)
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 401


def test_a_key_looked_up_before_a_revocation_is_not_remembered_after_it() -> None:
    clock = [0.0]
    known, key = KeyCache(lambda: clock[0]), Key(name="k")
    generation = known.generation()
    known.clear()
    known.add("text", key, generation)
    assert known.get("text") is None
    known.add("text", key, known.generation())
    assert (known.get("text"), known.get("other")) == (key, None)
    clock[0] += key_cache.SECONDS
    assert known.get("text") is None


def test_few_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "MAX_KEYS", 10)
    known = KeyCache(lambda: 0.0)
    for number in range(25):
        known.add(f"{number}", Key(name="k"), known.generation())
        assert known.get(f"{number}")
    assert len(known._keys) <= 10
