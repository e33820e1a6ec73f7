"""Signing in with an OpenID Connect provider: what is believed, who gets which rights, and for how long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import select, update

from gan_aug.errors import ConfigError
from gan_aug_service.access.cookies import COOKIE
from gan_aug_service.database.tables import AuditEntry, BrowserSession, Key, now
from gan_aug_service.oidc.settings_file import read_provider
from gan_aug_service.settings import Grant, Limits, ProviderSettings
from tests.support.service.oidc_provider import CLIENT, SECRET, StandInProvider, stand_in_provider
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import Service

GRANTS = (
    Grant("bosses", "admin", "default"),
    Grant("radiology", "editor", "lungs"),
    Grant("students", "viewer", "bones"),
    Grant("surgery", "viewer", "knifes"),
)


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    with stand_in_provider() as made:
        yield made


@pytest.fixture
def service(tmp_path: Path, limits: Limits, provider: StandInProvider) -> Iterator[Service]:
    """A service with the stand-in as its provider."""
    settings = ProviderSettings(provider.url, CLIENT, SECRET, name="the hospital's account", grants=GRANTS)
    with Service(tmp_path / "state", None, limits, provider=settings) as made:
        yield made


def go(service: Service, provider: StandInProvider, wanted: str = "/jobs") -> Any:
    """Sign in as a browser does: to the provider and back; gives the last answer."""
    begun = see(service, f"/sign-in/provider?next={wanted}")
    assert begun.status_code == 303, begun.text
    return see(service, provider.authorized(begun.headers["location"]).removeprefix("http://testserver"))


def refusals(service: Service) -> list[str | None]:
    with service.components.database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "session.refuse"))
        return [entry.detail for entry in entries]


def test_a_person_signs_in_and_has_what_the_groups_give(service: Service, provider: StandInProvider) -> None:
    page = see(service, "/sign-in?next=/jobs").text
    assert 'href="/sign-in/provider?next=%2Fjobs">Sign in with the hospital&#39;s account<' in page
    answer = go(service, provider)
    assert answer.status_code == 200
    assert 'content="0;url=/jobs"' in answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert any(cookie.startswith("ganaug_session=") and "samesite=strict" in cookie.lower() for cookie in cookies)
    assert "ganaug_begun" not in service.client.cookies
    who = service.call("GET", "/v1/session", None).json()
    assert (who["name"], who["role"], who["project"]) == ("Jürgen Müller", "editor", "lungs")
    assert "Jürgen Müller" in see(service, "/jobs").text
    person = service.call("GET", "/v1/keys?limit=1", "admin").json()["items"][0]
    assert (person["kind"], person["name"]) == ("person", "Jürgen Müller")
    left = datetime.fromisoformat(person["expires"]) - now()
    assert abs(left - timedelta(hours=8)) < timedelta(minutes=1)


def test_the_code_is_for_this_browser_and_once(service: Service, provider: StandInProvider) -> None:
    begun = see(service, "/sign-in/provider")
    back = provider.authorized(begun.headers["location"]).removeprefix("http://testserver")
    mine = dict(service.client.cookies)
    service.client.cookies.clear()
    assert see(service, back).status_code == 400  # another browser
    see(service, "/sign-in/provider")  # another sign-in of this browser
    assert see(service, back).status_code == 502
    for name, text in mine.items():
        service.client.cookies.set(name, text)
    assert see(service, back).status_code == 200
    service.client.cookies.clear()
    for name, text in mine.items():
        service.client.cookies.set(name, text)
    assert see(service, back).status_code == 502  # the same code again
    assert COOKIE not in service.client.cookies
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert len({query[name][0] for name in ("state", "nonce", "code_challenge")}) == 3
    assert all(len(query[name][0]) == 43 for name in ("state", "nonce", "code_challenge"))


HOUR = 3600
FOREIGN: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "another-client"},
    {"aud": None},
    {"aud": [CLIENT, "another"]},  # without azp nobody knows whom it was made for
    {"aud": [CLIENT, "another"], "azp": "another"},
    {"azp": "another"},
    {"exp": time.time() - 90},
    {"exp": None},
    {"iat": None},
    {"iat": time.time() + HOUR},
    {"nbf": time.time() + HOUR},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
]


def test_a_token_that_is_not_for_this_sign_in_is_refused(service: Service, provider: StandInProvider) -> None:
    for changes in FOREIGN:
        provider.changes = changes
        answer = go(service, provider)
        assert (answer.status_code, COOKIE in service.client.cookies) == (502, False), changes
        assert "does not answer, or not as it should" in answer.text
        assert "ID token" in str(refusals(service)[-1]), changes
    provider.changes = {}
    assert go(service, provider).status_code == 200


def test_a_clock_that_is_a_little_wrong_is_no_fault(service: Service, provider: StandInProvider) -> None:
    moment = int(time.time())
    for changes in ({"exp": moment - 40}, {"iat": moment + 40, "nbf": moment + 40, "exp": moment + 300}):
        provider.changes = changes
        assert go(service, provider).status_code == 200


def test_only_the_providers_own_signature_counts(service: Service, provider: StandInProvider) -> None:
    assert go(service, provider).status_code == 200
    public = json.dumps(provider.keys[0].as_dict(private=False))
    known = {"kid": provider.keys[0].kid}
    password = OctKey.import_key(public, known)
    for signer, header in (
        (ECKey.generate_key("P-256", known), {}),  # another's key under a known name
        (password, {"alg": "HS256"}),  # the public key as a password
        (password, {"alg": "none"}),
    ):
        provider.signer, provider.header = signer, header
        assert go(service, provider).status_code == 502, header
    provider.signer, provider.header = None, {}
    assert go(service, provider).status_code == 200


def test_keys_that_change_are_fetched_again_and_not_too_often(service: Service, provider: StandInProvider) -> None:
    held = service.components.provider
    assert held
    clock = [0.0]
    for fetched in (held._metadata, held._keys):
        fetched._clock = lambda: clock[0]
    assert go(service, provider).status_code == 200
    provider.rotate("RSA")
    clock[0] = 11
    assert go(service, provider).status_code == 200
    provider.signer = ECKey.generate_key("P-256", {"kid": "unknown"})
    for _ in range(5):
        assert go(service, provider).status_code == 502
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    provider.signer = None
    clock[0] = 4000
    assert go(service, provider).status_code == 200
    assert provider.asked.count("/keys") == 3


def test_a_provider_that_is_away_or_another_is_told_and_keys_work_on(
    service: Service, provider: StandInProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.down = True
    for _ in range(3):
        answer = see(service, "/sign-in/provider")
        assert (answer.status_code, "sign in with a key" in answer.text) == (502, True)
    assert len(provider.asked) == 1  # nobody waits for it again and again
    assert all("answers 503" in vars(record)["reason"] for record in caplog.records if record.message == "provider")
    assert sign_in(service).status_code == 303


OTHERS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"issuer": "https://evil.example"}, {}),
    ({"authorization_endpoint": "javascript:alert(1)"}, {}),
    ({"token_endpoint": "http://169.254.169.254/latest"}, {}),
    ({"jwks_uri": "file:///etc/passwd"}, {}),
    ({}, {"iss": "https://evil.example"}),
    ({"authorization_response_iss_parameter_supported": True}, {"iss": ""}),
    ({}, {"code": "made-up"}),
    ({}, {"code": ""}),
    ({}, {"state": "x" * 43}),
]


def test_an_answer_of_another_provider_is_refused(service: Service, provider: StandInProvider) -> None:
    held = service.components.provider
    assert held
    for metadata, answer in OTHERS:
        held._metadata._found = None
        provider.metadata, provider.answer = metadata, answer
        begun = see(service, "/sign-in/provider")
        if begun.status_code == 303:
            begun = see(service, provider.authorized(begun.headers["location"]).removeprefix("http://testserver"))
        assert (begun.status_code, COOKIE in service.client.cookies) == (502, False), (metadata, answer)


def test_who_gives_up_at_the_provider_is_told_so(service: Service, provider: StandInProvider) -> None:
    provider.answer = {"error": "access_denied", "code": ""}
    answer = go(service, provider)
    assert (answer.status_code, "Nobody was signed in" in answer.text) == (403, True)
    assert 'value="/jobs"' in answer.text  # the way on is kept
    assert refusals(service) == ["the provider says access_denied"]


def test_signing_in_with_the_provider_goes_on_to_no_other_site(service: Service, provider: StandInProvider) -> None:
    for wanted in ("//evil.example", "https://evil.example", "/%5Cevil.example", "/jobs%0d%0ax: y", "/" + "x" * 600):
        assert 'content="0;url=/"' in go(service, provider, wanted).text, wanted
    assert (
        'content="0;url=/jobs?state=done&amp;x=%C3%BC"' in go(service, provider, "/jobs?state=done%26x=%25C3%25BC").text
    )


def test_a_group_of_a_project_that_is_not_there_lets_nobody_in(service: Service, provider: StandInProvider) -> None:
    provider.claims["groups"] = ["surgery"]
    answer = go(service, provider)
    assert (answer.status_code, "your project knifes is not here" in answer.text) == (403, True)
    assert refusals(service) == ["there is no project 'knifes', which the group 'surgery' is for"]


def test_who_leaves_the_groups_loses_the_rights(service: Service, provider: StandInProvider) -> None:
    provider.claims["groups"] = ["students", "bosses"]  # the first line of the settings that fits counts
    go(service, provider)
    assert service.call("GET", "/v1/keys", None).status_code == 200
    first = service.client.cookies[COOKIE]
    provider.claims["groups"] = ["students"]
    go(service, provider)
    service.client.cookies.set(COOKIE, first)  # the older browser has no more than that either
    assert service.call("GET", "/v1/session", None).json()["role"] == "viewer"
    assert service.call("GET", "/v1/keys", None).status_code == 403
    provider.claims["groups"] = []
    answer = go(service, provider)
    assert (answer.status_code, "none of your groups" in answer.text) == (403, True)
    service.client.cookies.set(COOKIE, first)
    assert service.call("GET", "/v1/session", None).status_code == 401
    assert refusals(service) == ["Jürgen Müller is in no group that may use this service"]
    with service.components.database.reading() as session:
        assert session.scalars(select(BrowserSession)).all() == []


def test_a_session_is_bounded_and_a_persons_record_is_no_key(service: Service, provider: StandInProvider) -> None:
    go(service, provider)
    with service.components.database.writing() as session:
        person = session.scalars(select(Key).where(Key.identity.is_not(None))).one()
        session.execute(update(Key).where(Key.id == person.id).values(expires=now() - timedelta(seconds=1)))
    assert service.call("GET", "/v1/session", None).status_code == 401
    go(service, provider)
    assert service.call("GET", "/v1/session", None).status_code == 200
    for text in ("", "A" * 43):
        assert service.call("GET", "/v1/jobs", None, headers={"Authorization": f"Bearer ganaug_{person.id}_{text}"})


def test_a_person_whom_an_administrator_shut_out_stays_out(service: Service, provider: StandInProvider) -> None:
    provider.claims["groups"] = ["bosses"]
    go(service, provider)
    person = service.call("GET", "/v1/keys?limit=1", "admin").json()["items"][0]["id"]
    last = service.key_ids["admin"]
    assert service.call("DELETE", f"/v1/keys/{last}", "admin").status_code == 409  # no provider stands for the last key
    assert service.call("DELETE", f"/v1/keys/{person}", "admin").json()["revoked"]
    assert service.call("GET", "/v1/session", None).status_code == 401
    answer = go(service, provider)
    assert (answer.status_code, "ended your access" in answer.text) == (403, True)


def test_groups_and_name_may_come_from_elsewhere(service: Service, provider: StandInProvider) -> None:
    groups = provider.claims.pop("groups")
    provider.claims["name"] = "\u202e<b>"
    provider.user_info = {"sub": "u-1", "groups": groups, "name": "李雷"}
    go(service, provider)
    assert service.call("GET", "/v1/session", None).json()["role"] == "editor"
    del provider.claims["name"]
    go(service, provider)
    assert service.call("GET", "/v1/session", None).json()["name"] == "李雷"
    provider.user_info["sub"] = "u-2"
    assert go(service, provider).status_code == 502
    assert len(service.call("GET", "/v1/keys", "admin").json()["items"]) == len(service.keys) + 1  # one person


def test_signing_out_says_that_the_provider_may_still_know_the_browser(
    service: Service, provider: StandInProvider
) -> None:
    go(service, provider)
    assert send(service, "/sign-out").headers["location"] == "/signed-out"
    page = see(service, "/signed-out").text
    assert f'href="{provider.url}/end?client_id=gan-aug&amp;post_logout_redirect_uri=http%3A%2F%2F' in page
    assert see(service, "/jobs").status_code == 303
    sign_in(service)
    assert send(service, "/sign-out").headers["location"] == "/sign-in"  # who came with a key has no provider


def test_without_a_provider_there_are_keys_alone(tmp_path: Path, limits: Limits) -> None:
    with Service(tmp_path / "state", None, limits) as service:
        assert "provider" not in see(service, "/sign-in").text
        for path in ("/sign-in/provider", "/sign-in/provider/callback?code=x&state=y"):
            assert see(service, path).status_code == 404
        assert see(service, "/signed-out").headers["location"] == "/sign-in"


GOOD = """issuer: https://sso.example.org/realms/x
client_id: gan-aug
groups:
  radiology: editor:Röntgen
  "*": viewer
"""


def test_the_file_of_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_OIDC_SECRET", "s")
    path = tmp_path / "oidc.yaml"
    path.write_text(GOOD, encoding="utf-8")
    read = read_provider(path)
    assert read.grants == (Grant("radiology", "editor", "Röntgen"), Grant("*", "viewer", "default"))
    assert (read.client_secret, read.hours, "'s'" in repr(read)) == ("s", 8.0, False)
    for change, named in (
        (("https://", "http://"), "issuer"),
        (("https://", "https://user:word@"), "issuer"),
        (("editor:Röntgen", "root"), "groups"),
        (("editor:Röntgen", "'editor:'"), "groups"),
        (("client_id", "client"), "client_id"),
        (("groups:", "hours: 0\ngroups:"), "hours"),
        (("groups:", "scopes: [profile]\ngroups:"), "scopes"),
        (("issuer: ", "client_secret: abc\nissuer: "), "client_secret"),
    ):
        path.write_text(GOOD.replace(*change), encoding="utf-8")
        with pytest.raises(ConfigError, match=named):
            read_provider(path)
    for text in ("", "- a", "a: [", "groups: {}"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="oidc.yaml"):
            read_provider(path)
    with pytest.raises(ConfigError, match="check the path"):
        read_provider(tmp_path / "absent.yaml")
