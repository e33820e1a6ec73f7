"""Pages and who sees them: signing in and back, forms of other sites, problems as pages, one strict policy, keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from gan_aug_service.access.cookies import COOKIE
from gan_aug_service.database.tables import AuditEntry
from gan_aug_service.web.kit import static_files
from tests.support.places import ROOT
from tests.support.service.page_samples import PAGE, see, send, sign_in
from tests.support.service.service_samples import NOBODY, Service

WEB = Path(static_files.__file__).parent
PAGES = ("/", "/jobs", "/new", "/keys")


def test_who_is_not_signed_in_is_sent_to_do_so_and_back(service: Service) -> None:
    asked = see(service, "/jobs?state=done")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fjobs%3Fstate%3Ddone")
    form = see(service, asked.headers["location"])
    assert 'name="next" value="/jobs?state=done"' in form.text
    assert 'type="password"' in form.text
    answer = sign_in(service, "viewer", "/jobs?state=done")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?state=done")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    assert see(service, "/jobs?state=done").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil", "", "x"])
def test_signing_in_goes_on_to_no_other_site(service: Service, wanted: str) -> None:
    assert sign_in(service, "viewer", wanted).headers["location"] == "/"


def test_a_refused_key_is_told_in_the_form_and_not_repeated(service: Service) -> None:
    text = service.keys["viewer"][:-1] + "!"
    answer = service.client.post("/sign-in", data={"key": text, "next": "/jobs"}, headers=PAGE)
    assert answer.status_code == 401
    assert "not known, expired or revoked" in answer.text
    assert text not in answer.text
    assert 'value="/jobs"' in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_another_site_can_neither_sign_in_nor_send_a_form(service: Service) -> None:
    elsewhere = {"Origin": "https://evil.example"}
    fields = {"key": service.keys["viewer"], "next": "/"}
    assert service.client.post("/sign-in", data=fields, headers=PAGE | elsewhere).status_code == 403
    sign_in(service)
    form = {"data.source": "digits", "action": "start"}
    assert send(service, "/new", form, headers=elsewhere).status_code == 403
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}):
        answer = service.client.post("/new", data=form | token, headers=PAGE)
        assert answer.status_code == 403
        assert "<h1>Forbidden</h1>" in answer.text
    assert service.call("GET", "/v1/jobs").json()["items"] == []
    assert send(service, "/new", form, headers={"Origin": "http://testserver"}).status_code == 303


def test_signing_out_ends_the_session_and_is_written_down(service: Service) -> None:
    sign_in(service, "viewer")
    token = service.client.cookies[COOKIE]
    assert send(service, "/sign-out").headers["location"] == "/sign-in"
    service.client.cookies.set(COOKIE, token)
    assert see(service, "/").status_code == 303
    with service.components.database.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert actions[-2:] == ["session.create", "session.delete"]


def test_a_link_of_another_site_asks_once_more_from_here(service: Service) -> None:
    answer = service.client.get("/jobs", headers=PAGE | {"Sec-Fetch-Site": "cross-site"}, follow_redirects=False)
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/jobs">' in answer.text
    again = service.client.get("/jobs", headers=PAGE | {"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert again.headers["location"] == "/sign-in?next=%2Fjobs"


def test_problems_are_pages_for_browsers_and_documents_for_others(service: Service) -> None:
    sign_in(service)
    for path, status in ((f"/jobs/{NOBODY}", 404), ("/nowhere", 404), ("/jobs?state=odd", 422), ("/keys", 403)):
        page = see(service, path)
        assert page.status_code == status, path
        assert page.headers["content-type"].startswith("text/html")
        assert '<a href="/">Home</a>' in page.text
        plain = service.client.get(path, headers={"Accept": "application/json"})
        assert plain.headers["content-type"] == "application/problem+json"
        assert plain.status_code == status
    rest = see(service, "/v1/nowhere")
    assert rest.headers["content-type"] == "application/problem+json"


def test_pages_run_nothing_inline_and_load_nothing_from_elsewhere(service: Service) -> None:
    sign_in(service, "admin")
    for path in (*PAGES, "/sign-in", "/nowhere"):
        page = see(service, path)
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://", page.text), path
        assert page.text.count("<h1") == 1
        assert '<html lang="en">' in page.text
        assert "<main" in page.text
    for name in static_files.FILES:
        kept = service.client.get(static_files.static_url(name))
        assert "immutable" in kept.headers["cache-control"]
        text = kept.text.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("http-equiv", ""), name
    assert service.client.get("/static/..%2Fsite.py").status_code == 404
    assert service.client.get("/static/nothing.css").status_code == 404


def test_every_field_has_a_label(service: Service) -> None:
    sign_in(service, "admin")
    for path in (*PAGES, "/sign-in"):
        text = see(service, path).text
        labels = set(re.findall(r'<label for="([^"]+)"', text))
        for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", text):
            if 'type="hidden"' not in field and not re.search('type="(checkbox|radio)"', field):
                assert re.search(r'\bid="([^"]+)"', field)[1] in labels, field  # type: ignore[index]
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), path
        for named in re.findall(r'aria-describedby="([^"]+)"', text):
            assert set(named.split()) <= set(ids), named


def test_pages_offer_what_the_key_may_do(service: Service) -> None:
    sign_in(service, "viewer")
    home = see(service, "/").text
    assert 'href="/new' not in home
    assert 'href="/keys"' not in home
    assert see(service, "/new").status_code == 403
    sign_in(service, "editor")
    assert 'href="/new?example=quickstart"' in see(service, "/").text
    assert 'href="/keys"' not in see(service, "/").text


def test_an_administrator_makes_a_key_that_is_shown_once_and_revokes_it(service: Service) -> None:
    sign_in(service, "admin")
    wrong = send(service, "/keys", {"name": "<b>", "role": "viewer", "days": "0"})
    assert wrong.status_code == 422
    assert 'value="&lt;b&gt;"' in wrong.text
    assert 'id="name-fault"' in wrong.text
    assert 'id="days-fault"' in wrong.text
    made = send(service, "/keys", {"name": "reading room", "role": "viewer", "project": "lungs", "days": "90"})
    assert made.status_code == 303
    shown = see(service, made.headers["location"]).text
    text = re.search(r'class="secret">([^<]+)<', shown)[1]  # type: ignore[index]
    before = service.call("GET", "/v1/keys", "admin").json()
    for path in (made.headers["location"], "/keys"):  # a reload shows it no more, and makes no other
        assert text not in see(service, path).text
    assert service.call("GET", "/v1/keys", "admin").json() == before
    header = {"Authorization": f"Bearer {text}"}
    assert service.call("GET", "/v1/session", None, headers=header).json()["project"] == "lungs"
    revoke = f"/keys/{text.split('_')[1]}/revoke"
    assert f'href="{revoke}"' in see(service, "/keys").text
    assert "Revoke the key reading room" in see(service, revoke).text
    assert service.call("GET", "/v1/session", None, headers=header).status_code == 200  # it asks first
    assert send(service, revoke).headers["location"] == "/keys"
    service.client.cookies.clear()
    assert service.call("GET", "/v1/session", None, headers=header).status_code == 401


def test_pages_stay_out_of_the_openapi_document(service: Service) -> None:
    paths = service.call("GET", "/openapi.json", None).json()["paths"]
    assert all(path.startswith("/v1/") for path in paths.keys() - {"/healthz", "/readyz", "/metrics"})


def test_templates_and_files_are_packaged() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["gan_aug_service"]
    packaged = {path for pattern in patterns for path in WEB.parent.glob(pattern)}
    assert {path for path in WEB.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg")} <= packaged


def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the password is secret")

    sign_in(service)
    monkeypatch.setattr("gan_aug_service.web.pages.jobs.list_job_page", fail)
    page = see(service, "/jobs")
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "this is a fault of gan-aug" in page.text
    assert "secret" not in page.text
    assert "the password is secret" in caplog.text
    assert service.client.get("/jobs").headers["content-type"] == "application/problem+json"
