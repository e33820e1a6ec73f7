"""The web's manners: HEAD, a path under a proxy, no redirect elsewhere, and forms that outlive their session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import update

from gan_aug.errors import ConfigError
from gan_aug_service.access.cookies import COOKIE
from gan_aug_service.database.tables import BrowserSession, now
from gan_aug_service.http.prefix import ROOT_PATH, prefixed_page
from gan_aug_service.options import parser, settings_of
from gan_aug_service.settings import Limits
from tests.support.service.page_samples import PAGE, see, send, sign_in
from tests.support.service.service_samples import Service

ROOT = "/hospital/gan-aug"


@pytest.fixture
def polite(tmp_path: Path, limits: Limits) -> Iterator[Service]:
    with Service(tmp_path / "state", None, limits) as made:
        yield made


@pytest.fixture
def under_a_path(tmp_path: Path, limits: Limits) -> Iterator[Service]:
    with Service(tmp_path / "state", None, limits, root_path=ROOT) as made:
        yield made


def test_head_is_get_without_a_body(polite: Service) -> None:
    sign_in(polite)
    for path in ("/", "/jobs", "/healthz", "/openapi.json", "/v1/jobs", "/v1/nothing", "/metrics", "/sign-in"):
        got, head = (polite.client.request(method, path, headers=PAGE) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers.get("content-type") == got.headers.get("content-type")
        if path != "/metrics":
            assert head.headers["content-length"] == got.headers["content-length"], path
    assert polite.client.head("/v1/session", headers={"Authorization": "Bearer x"}).status_code == 401
    job = polite.submit()
    assert polite.call("HEAD", f"/v1/jobs/{job['id']}/events").status_code == 200  # it does not wait for what comes
    assert polite.call("HEAD", "/v1/uploads/x/y").status_code == 404


def test_pages_speak_plainly(polite: Service) -> None:
    sign_in(polite, "admin")
    nobody = "0" * 24
    for path in (
        "/jobs/x",
        "/jobs?state=odd",
        f"/jobs/{nobody}",
        "/audit?key=x",
        "/keys?made=<b>",
        f"/keys/{nobody}/revoke",
    ):
        page = see(polite, path).text
        shown = re.sub("<[^>]+>", "", page[page.index("<main") : page.index("</main")])
        for jargon in ("String", "should", "pattern", "`", "GET ", "/v1/", "path.", "query."):
            assert jargon not in shown, (path, jargon)
    assert "should match pattern" in polite.call("GET", "/v1/jobs/x").text  # programs are told exactly


def test_no_redirect_leads_to_another_host(polite: Service) -> None:
    sign_in(polite)
    evil = PAGE | {"Host": "evil.example"}
    for path in ("/jobs/", "/v1/jobs/", "//evil.example/", "/\\evil.example/", "/sign-in/"):
        answer = polite.client.get("http://testserver" + path, headers=evil, follow_redirects=False)
        assert "evil" not in answer.headers.get("location", ""), path
    assert see(polite, "/jobs/").headers["location"] == "/jobs"


def test_a_page_that_was_left_open_loses_nothing(polite: Service) -> None:
    sign_in(polite)
    page = see(polite, "/new").text
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)[1]  # type: ignore[index]
    once = re.search(r'name="once" value="([^"]+)"', page)[1]  # type: ignore[index]
    fields = {"csrf_token": token, "once": once, "verb": "import", "data.source": "digits", "data.limit": "30"}
    fields |= {"action": "start", "seed": "7"}
    with polite.components.database.writing() as session:
        session.execute(update(BrowserSession).values(expires=now() - timedelta(seconds=1)))
    for other in ({"csrf_token": "0" * 64}, {}):  # a form of another page is not kept
        late = polite.client.post("/new", data=fields | other, headers=PAGE, follow_redirects=False)
        assert late.status_code == 303
        assert ("next=%2Fkept%2F" in late.headers["location"]) == (not other)
    wanted = unescape(late.headers["location"].partition("next=")[2]).replace("%2F", "/")
    assert polite.client.get(wanted, headers=PAGE, follow_redirects=False).status_code == 303  # nobody sees it yet
    assert sign_in(polite, "editor", wanted).headers["location"] == wanted
    kept = see(polite, wanted).text
    sent = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', kept[kept.index("<main") :]))
    assert sent.pop("csrf_token") != token
    assert sent == {name: text for name, text in fields.items() if name != "csrf_token"}
    answers = {send(polite, "/new", sent).headers["location"] for _ in range(2)}
    assert len(answers) == 1  # sent twice, it is one job
    job = polite.call("GET", f"/v1/jobs/{answers.pop().rpartition('/')[2]}").json()
    assert (job["verb"], job["config"]["seed"]) == ("import", 7)
    assert "no form that waits here" in see(polite, "/kept/none").text


@pytest.mark.parametrize("taken_off", [True, False])
def test_a_service_under_a_path_of_a_proxy(under_a_path: Service, taken_off: bool) -> None:
    def asked(address: str) -> str:
        """What the proxy sends on for an address that the browser asks for."""
        assert address.startswith(ROOT + "/"), address
        return address.removeprefix(ROOT) if taken_off else address

    def get(address: str) -> str:
        answer = under_a_path.client.get(asked(address), headers=PAGE, follow_redirects=False)
        assert answer.status_code == 200, (address, answer.status_code)
        return str(answer.text)

    first = under_a_path.client.get(asked(ROOT + "/jobs?state=done"), headers=PAGE, follow_redirects=False)
    assert first.headers["location"] == f"{ROOT}/sign-in?next=%2Fjobs%3Fstate%3Ddone"
    form = get(first.headers["location"])
    action = re.search(r'<form method="post" action="([^"]+)"', form)[1]  # type: ignore[index]
    fields = {"key": under_a_path.keys["admin"], "next": "/jobs?state=done"}
    answer = under_a_path.client.post(asked(action), data=fields, headers=PAGE, follow_redirects=False)
    assert answer.headers["location"] == f"{ROOT}/jobs?state=done"
    assert f"{COOKIE}_hospital_gan_aug" in under_a_path.client.cookies
    pages, visited, seen = [ROOT + "/"], {ROOT + "/"}, set()
    while pages:  # every page that can be reached by links
        address = pages.pop()
        text = get(address)
        assert f'data-root="{ROOT}"' in text
        for found in re.findall(r'\s(?:href|src|action)="([^"#][^"]*)"', text):
            assert unescape(found).startswith(ROOT + "/"), (address, found)
            get(found) if "/static/" in found and found not in seen else None
            seen.add(found)
        new = {unescape(found).split("?")[0] for found in re.findall(r'<a [^>]*href="(/[^"#]*)"', text)} - visited
        new = {found for found in new if not found.endswith(".csv")}
        visited |= new
        pages += sorted(new) if taken_off or address == ROOT + "/" else []
    assert {f"{ROOT}/keys", f"{ROOT}/audit", f"{ROOT}/projects"} <= visited
    document = under_a_path.client.get(asked(f"{ROOT}/openapi.json")).json()
    assert document["servers"] == [{"url": ROOT}]
    assert "/v1/jobs" in document["paths"]
    job = under_a_path.submit(who="editor")
    assert job["links"]["self"] == f"{ROOT}/v1/jobs/{job['id']}"
    invited = under_a_path.call("POST", "/v1/invitations", "admin", json={"name": "x", "project": "lungs"}).json()
    assert invited["link"].startswith(f"http://testserver{ROOT}/join?invitation=")


def test_only_addresses_of_our_own_markup_get_the_prefix() -> None:
    token = ROOT_PATH.set("/x")
    page = '<a href="/a"><a href="//b"><a href="https://c/"><p>href="&#34;/d<a href="#e"><meta content="0;url=/f">'
    assert prefixed_page(page) == (
        '<a href="/x/a"><a href="//b"><a href="https://c/"><p>href="&#34;/d<a href="#e"><meta content="0;url=/x/f">'
    )
    ROOT_PATH.reset(token)


def test_the_options_of_where_browsers_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*options: str) -> tuple[str | None, str, bool]:
        settings = settings_of(parser().parse_args(["--state", str(tmp_path), *options]))
        return settings.public_url, settings.root_path, settings.https

    assert read() == (None, "", False)
    assert read("--root-path", "/a/b/") == (None, "/a/b", False)
    assert read("--public-url", "https://x.example/a/") == ("https://x.example/a", "/a", True)
    assert read("--public-url", "http://x.example/a", "--root-path", "/") == ("http://x.example/a", "", False)
    for wrong in ("a", "//a", "/a/../b", "/a b", '/a"', "https://x/a"):
        with pytest.raises(ConfigError, match="--root-path"):
            read("--root-path", wrong)
    for wrong in ("x.example", "ftp://x", "https://u:p@x", "https://x/?a", "javascript:x"):
        with pytest.raises(ConfigError, match="--public-url"):
            read("--public-url", wrong)
