"""Keys and browsers: who is let in, for how long, how often, and what another site cannot do in their name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from gan_aug_service.access import keys
from gan_aug_service.access.cookies import COOKIE, SECURE_COOKIE
from gan_aug_service.database.tables import AuditEntry, BrowserSession, Key, Role, now
from gan_aug_service.http.rate_limit import RateLimiter
from gan_aug_service.settings import Limits
from tests.support.service.service_samples import TINY, Service


def sign_in(service: Service, who: str = "editor") -> str:
    """Sign the test's browser in; gives the token for X-CSRF-Token."""
    answer = service.call("POST", "/v1/session", None, json={"key": service.keys[who]})
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    token: str = answer.json()["csrf_token"]
    return token


def test_a_key_is_shown_once_and_kept_as_a_hash(service: Service) -> None:
    answer = service.call("POST", "/v1/keys", "admin", json={"name": "reader", "role": "viewer", "project": "lungs"})
    assert answer.status_code == 201
    made = answer.json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert service.call("GET", "/v1/jobs", None, headers=headers).status_code == 200
    listed = service.call("GET", "/v1/keys", "admin")
    assert made["key"] not in listed.text
    assert made["key"].rpartition("_")[2] not in listed.text
    with service.components.database.reading() as session:
        stored = session.get_one(Key, made["id"])
        rows = session.scalars(select(AuditEntry)).all()
    secret = made["key"].split("_", 2)[2]
    assert secret not in str(vars(stored))
    assert secret not in str([vars(row) for row in rows])
    assert listed.json()["items"][0]["last_used"]


def test_a_revoked_key_is_refused_at_once_and_so_is_its_browser(service: Service) -> None:
    sign_in(service, "viewer")
    assert service.call("GET", "/v1/jobs", None).status_code == 200
    assert service.call("DELETE", f"/v1/keys/{service.key_ids['viewer']}", "admin").json()["revoked"]
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 401
    assert service.call("GET", "/v1/jobs", None).status_code == 401
    assert service.call("POST", "/v1/session", None, json={"key": service.keys["viewer"]}).status_code == 401


def test_the_last_administrators_key_is_not_revoked(service: Service) -> None:
    last = service.key_ids["admin"]
    expired = service.call("POST", "/v1/keys", "admin", json={"name": "old", "role": "admin", "days": 1}).json()["id"]
    with service.components.database.writing() as session:
        session.get_one(Key, expired).expires = now() - timedelta(seconds=1)
    answer = service.call("DELETE", f"/v1/keys/{last}", "admin")
    assert (answer.status_code, "make another one first" in answer.json()["detail"]) == (409, True)
    assert service.call("GET", "/v1/keys", "admin").status_code == 200
    for other in (expired, service.key_ids["viewer"]):
        assert service.call("DELETE", f"/v1/keys/{other}", "admin").json()["revoked"]
    service.call("POST", "/v1/keys", "admin", json={"name": "second", "role": "admin"})
    assert service.call("DELETE", f"/v1/keys/{last}", "admin").json()["revoked"]
    assert service.call("GET", "/v1/keys", "admin").status_code == 401


def test_an_expired_key_is_refused_and_so_is_its_browser(service: Service) -> None:
    sign_in(service, "viewer")
    with service.components.database.writing() as session:
        key = update(Key).where(Key.id == service.key_ids["viewer"])
        session.execute(key.values(expires=now() - timedelta(seconds=1)))
    assert service.call("GET", "/v1/jobs", "viewer").status_code == 401
    assert service.call("GET", "/v1/jobs", None).status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ganaug_",
        "ganaug_{id}_",
        "ganaug_{id}_{other}",
        "{key}x",
        "x{key}",
        "{key}\x00",
        "' OR 1=1 --",
        "ganaug_' OR 1=1 --_x",
    ],
)
def test_what_is_no_key_is_refused(service: Service, text: str) -> None:
    key, other = service.keys["editor"], service.keys["stranger"].split("_", 2)[2]
    sent = text.format(id=service.key_ids["editor"], other=other, key=key)
    assert service.call("POST", "/v1/session", None, json={"key": sent}).status_code in (400, 401)
    headers = {"Authorization": f"Bearer {sent}".encode()}
    assert service.call("GET", "/v1/jobs", None, headers=headers).status_code == 401


def test_a_cookie_reads_and_its_token_is_needed_to_write(service: Service) -> None:
    token = sign_in(service)
    assert service.call("GET", "/v1/session", None).json() == {
        "name": "editor",
        "role": "editor",
        "project": "lungs",
        "csrf_token": token,
    }
    for headers in ({}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": token, "Origin": "https://evil.example"}):
        answer = service.call("POST", "/v1/jobs/import", None, json=TINY, headers=headers)
        assert answer.status_code == 403
        assert "X-CSRF-Token" in answer.json()["detail"]
    ours = {"X-CSRF-Token": token, "Origin": "http://testserver"}
    assert service.call("POST", "/v1/jobs/import", None, json=TINY, headers=ours).status_code == 202


def test_another_sessions_token_does_not_serve(service: Service) -> None:
    first = sign_in(service, "stranger")
    service.client.cookies.clear()
    sign_in(service)
    answer = service.call("POST", "/v1/jobs/import", None, json=TINY, headers={"X-CSRF-Token": first})
    assert answer.status_code == 403


def test_a_cookie_replayed_after_signing_out_means_nothing(service: Service) -> None:
    token = sign_in(service)
    cookie = service.client.cookies[COOKIE]
    assert service.call("DELETE", "/v1/session", None).status_code == 403
    assert service.call("DELETE", "/v1/session", None, headers={"X-CSRF-Token": token}).status_code == 204
    service.client.cookies.set(COOKIE, cookie)
    assert service.call("GET", "/v1/jobs", None).status_code == 401


def test_a_session_ends_by_itself(service: Service) -> None:
    sign_in(service)
    with service.components.database.writing() as session:
        session.execute(update(BrowserSession).values(expires=now() - timedelta(seconds=1)))
    assert service.call("GET", "/v1/jobs", None).status_code == 401
    sign_in(service, "viewer")
    with service.components.database.reading() as session:
        assert len(session.scalars(select(BrowserSession)).all()) == 1


def test_a_wrong_key_in_the_header_is_not_saved_by_a_good_cookie(service: Service) -> None:
    sign_in(service)
    assert service.call("GET", "/v1/jobs", None, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_session_ends_an_hour_after_its_last_request_and_half_a_day_after_its_first(service: Service) -> None:
    answer = service.call("POST", "/v1/session", None, json={"key": service.keys["editor"]})
    cookie = answer.headers["set-cookie"].lower()
    assert "max-age" not in cookie
    assert "expires" not in cookie

    def asked(**changes: Any) -> timedelta:
        """How long the session lasts after a request that finds it so."""
        with service.components.database.writing() as session:
            session.execute(update(BrowserSession).values(changes))
        assert service.call("GET", "/v1/jobs", None).status_code == 200
        with service.components.database.reading() as session:
            left: timedelta = session.scalars(select(BrowserSession)).one().expires - now()
            return left

    minute = timedelta(minutes=1)
    assert abs(asked(created=now()) - timedelta(hours=1)) < 2 * minute
    assert abs(asked(expires=now() + 5 * minute) - timedelta(hours=1)) < 2 * minute
    old = now() - timedelta(hours=11, minutes=50)
    assert abs(asked(created=old, expires=now() + 5 * minute) - 10 * minute) < 2 * minute
    with service.components.database.writing() as session:
        session.execute(update(BrowserSession).values(expires=now() - minute))
    assert service.call("GET", "/v1/jobs", None).status_code == 401


def test_a_key_has_so_many_browsers_and_the_oldest_go(service: Service) -> None:
    sign_in(service, "viewer")
    cookies = []
    for _ in range(keys.MAX_SESSIONS + 5):
        service.client.cookies.clear()
        sign_in(service)
        cookies.append(service.client.cookies[COOKIE])
    with service.components.database.reading() as session:
        assert len(session.scalars(select(BrowserSession)).all()) == keys.MAX_SESSIONS + 1
    statuses = []
    for cookie in cookies:
        service.client.cookies.clear()
        service.client.cookies.set(COOKIE, cookie)
        statuses.append(service.call("GET", "/v1/session", None).status_code)
    assert statuses == [401] * 5 + [200] * keys.MAX_SESSIONS


def test_a_guess_does_not_wait_for_who_writes(service: Service) -> None:
    with service.components.database.writing() as session:
        session.execute(update(Key).values(name="held"))
        assert service.call("POST", "/v1/session", None, json={"key": "ganaug_x"}).status_code == 401


def test_behind_https_the_cookie_is_this_hosts_alone(tmp_path: Path, limits: Limits) -> None:
    with Service(tmp_path / "state", None, limits, https=True) as service:
        service.client.base_url = service.client.base_url.copy_with(scheme="https")
        answer = service.call("POST", "/v1/session", None, json={"key": service.keys["viewer"]})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE_COOKIE}=")
        assert {"Secure", "Path=/", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        token = service.client.cookies[SECURE_COOKIE]
        assert service.call("GET", "/v1/session", None).json()["name"] == "viewer"
        csrf = {"X-CSRF-Token": answer.json()["csrf_token"]}
        gone = service.call("DELETE", "/v1/session", None, headers=csrf)
        assert gone.status_code == 204
        assert "Secure" in gone.headers["set-cookie"]
        assert SECURE_COOKIE not in service.client.cookies
        service.client.cookies.set(COOKIE, token)
        assert "has no key" in service.call("GET", "/v1/jobs", None).json()["detail"]


def test_what_the_browser_says_of_a_forms_site_holds_behind_any_proxy(service: Service) -> None:
    fields = {"key": service.keys["viewer"], "next": "/jobs"}
    behind = {"Origin": "https://images.example.org", "Host": "127.0.0.1:8000"}
    for site, status in (("same-origin", 303), ("none", 303), ("cross-site", 403), ("same-site", 403)):
        headers = {"Accept": "text/html", "Sec-Fetch-Site": site} | behind
        answer = service.client.post("/sign-in", data=fields, headers=headers, follow_redirects=False)
        assert answer.status_code == status, site
    assert service.client.post("/sign-in", data=fields, headers=behind, follow_redirects=False).status_code == 403


class TestRates:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(rate=1, burst=3, failures=0.1)

    @pytest.fixture(autouse=True)
    def at_once(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let no time pass between requests, however slow the machine is."""
        for buckets in (service.components.rate_limiter, service.components.failure_limiter):
            monkeypatch.setattr(buckets, "_clock", lambda: 0.0)

    def test_a_key_that_asks_too_often_waits_and_no_other_does(self, service: Service) -> None:
        statuses = [service.call("GET", "/v1/jobs").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert service.call("GET", "/v1/jobs").headers["retry-after"] == "1"
        assert service.call("GET", "/v1/jobs", "viewer").status_code == 200

    def test_signing_in_is_a_request_of_its_key(self, service: Service) -> None:
        sent = {"key": service.keys["editor"]}
        statuses = [service.call("POST", "/v1/session", None, json=sent).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        form = service.client.post("/sign-in", data=sent, headers={"Accept": "text/html"})
        assert (form.status_code, form.headers["retry-after"]) == (429, "1")

    def test_guessing_is_slowed_down_and_good_keys_are_not(self, service: Service) -> None:
        wrong = {"Authorization": "Bearer ganaug_x"}
        statuses = [service.call("GET", "/v1/jobs", None, headers=wrong).status_code for _ in range(22)]
        assert statuses == [401] * 20 + [429] * 2
        assert service.call("POST", "/v1/session", None, json={"key": "x"}).status_code == 429
        assert service.call("GET", "/v1/jobs").status_code == 200


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.5, 20), st.integers(1, 20))
def test_no_one_gets_more_than_the_burst_and_the_rate(pauses: list[float], rate: float, burst: int) -> None:
    clock = [0.0]
    buckets = RateLimiter(rate, burst, lambda: clock[0])
    granted = 0
    for pause in pauses:
        clock[0] += pause
        wait = buckets.take("someone")
        granted += wait == 0
        assert granted <= burst + rate * clock[0] + 1e-6
        if wait:
            clock[0] += wait
            assert buckets.take("someone") == 0
            granted += 1


def test_roles_are_what_a_key_says(service: Service) -> None:
    with service.components.database.writing() as session:
        key, text = keys.make_key(session, "k", Role.VIEWER, "p")
        session.flush()
        found: Any = keys.find_key(session, text)
        assert (found.id, found.role, found.project) == (key.id, Role.VIEWER, "p")
        assert keys.count_usable_keys(session) == len(service.keys) + 1
        key.revoked = now()
        session.flush()
        assert keys.count_usable_keys(session) == len(service.keys)
