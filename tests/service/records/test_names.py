"""Titles, owners, sources, tags and notes: given, changed, searched, sorted, and shown on every page and report."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.database.naming import first_title, numbered, source_in_words
from gan_aug_service.database.tables import AuditEntry, Job, Run, Upload, new_id
from gan_aug_service.records.catalogue.facts import fill_facts
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, TINY, Service

LONGEST = "Wörterbuchüberschrift" * 5 + "肺炎のX線とても長い名前"
UPLOADS = {"u": "Films of Jürgen.zip"}


@pytest.mark.parametrize(
    ("data", "title", "source"),
    [
        ({"source": "digits"}, "digits", "digits"),
        ({"source": "folder", "root": "chest/june/"}, "chest/june", "folder: chest/june"),
        ({"source": "dicom", "root": "uploads/u"}, "Films of Jürgen", "dicom: Films of Jürgen"),
        ({"source": "folder", "root": "uploads/u/a/b"}, "Films of Jürgen", "folder: Films of Jürgen, a/b"),
        ({"source": "folder", "root": "uploads/gone"}, "a removed upload", "folder: a removed upload"),
        ({"source": "folder", "root": "x", "title": "Lung"}, "Lung", "folder: x"),
        ({"source": "dicomweb", "dicomweb": {"url": "https://pacs.example:8042/w"}}, "pacs.example:8042", None),
        ({}, "run", "unknown"),
    ],
)
def test_the_first_title_and_the_source_follow_from_the_config(data: Any, title: str, source: str | None) -> None:
    assert first_title(data, UPLOADS) == title
    assert source is None or source_in_words(data, UPLOADS) == source
    assert numbered("x" * 120, 9) == "x" * 117 + " 10"


def test_runs_are_named_and_found(service: Service) -> None:
    first, second = service.submit(), service.submit()
    named = service.call("POST", "/v1/jobs/import?title=%E8%82%BA%20Lung&tag=Chest&tag=64%20px", json=TINY).json()
    assert [job["title"] for job in (first, second, named)] == ["digits", "digits 2", "肺 Lung"]
    assert (named["owner"], named["source"], named["tags"]) == ("editor", "digits", ["64 px", "chest"])
    changed = {"title": "Straße  nach ÜBER", "tags": ["a", "A", "b"], "notes": "two\r\nlines"}
    answer = service.call("PATCH", f"/v1/runs/{first['run']}", json=changed).json()
    assert (answer["title"], answer["tags"], answer["notes"]) == ("Straße nach ÜBER", ["a", "b"], "two\nlines")
    assert service.call("GET", f"/v1/jobs/{first['id']}").json()["title"] == "Straße nach ÜBER"

    def found(query: str, path: str = "runs", who: str = "viewer") -> list[str]:
        items = service.call("GET", f"/v1/{path}?{query}", who).json()["items"]
        return [{first["id"]: "first", second["id"]: "second", named["id"]: "named"}[item["id"]] for item in items]

    for path in ("runs", "jobs"):
        assert found("q=strasse über", path) == ["first"]
        assert found("q=LINES", path) == ["first"]
        assert found("q=100%25", path) == []
        assert found("tag=Chest", path) == found("q=肺", path) == ["named"]
        assert found("tag=ches", path) == found("owner=admin", path) == found("label=3", path) == []
        assert found("sort=title&owner=editor", path) == ["second", "first", "named"]
        assert found("sort=oldest", path) == ["first", "second", "named"]
        assert found("project=bones", path, "admin") == found("", path, "stranger") == []
        page = service.call("GET", f"/v1/{path}?sort=title&limit=2").json()
        assert found(f"sort=title&after={page['next']}", path) == ["named"]
    assert found(f"q={second['id']}", "jobs") == ["second"]
    again = service.call("POST", f"/v1/jobs/import?run={first['run']}&title=x", json=TINY)
    assert (again.status_code, "PATCH" in again.json()["detail"]) == (422, True)
    with service.components.database.reading() as session:
        details = [row.detail for row in session.query(AuditEntry).where(AuditEntry.action == "run.describe")]
    assert details == ["title, tags, notes"]


@pytest.mark.parametrize(
    "wrong",
    [{"title": "a\nb"}, {"title": " "}, {"title": "x" * 121}, {"title": "\u202ex"}, {"tags": ["a,b"]}, {"notes": "\0"},
     {"tags": [f"{k}" for k in range(21)]}, {"tags": ["x" * 41]}, {"notes": "x" * 4001}, {"owner": "me"}],
)  # fmt: skip
def test_what_is_no_name_is_refused(service: Service, wrong: dict[str, Any]) -> None:
    run = service.submit()["run"]
    answer = service.call("PATCH", f"/v1/runs/{run}", json=wrong)
    assert answer.status_code == 422, answer.text
    assert service.call("GET", f"/v1/runs/{run}").json()["title"] == "digits"


def test_only_editors_of_the_project_name(service: Service) -> None:
    run = service.submit()["run"]
    for who, status in (("viewer", 403), ("stranger", 404), (None, 401), ("admin", 200)):
        assert service.call("PATCH", f"/v1/runs/{run}", who, json={"title": "x"}).status_code == status
        assert service.call("GET", f"/v1/runs/{run}", who).status_code == (200 if who == "viewer" else status)
    sign_in(service, "viewer")
    assert "Edit title" not in see(service, f"/jobs/{run}").text
    assert send(service, f"/runs/{run}/about", {"title": "y"}).status_code == 403


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_names_are_on_every_page_and_in_the_report(service: Service, whole_run: Path) -> None:
    run, hostile = service.place(whole_run), '<b>"x"</b> & ' + LONGEST[:60]
    assert "\n*Subject:*" in service.call("GET", f"/v1/reports/{run}?format=md").text
    sign_in(service)
    form = see(service, f"/runs/{run}/about?next=/reports/{run}").text
    assert 'value="untitled"' in form
    sent = {"title": "", "tags": "a, b", "notes": "n", "next": f"/reports/{run}"}
    refused = send(service, f"/runs/{run}/about", sent)
    assert (refused.status_code, "title-fault" in refused.text, 'value="a, b"' in refused.text) == (422, True, True)
    assert send(service, f"/runs/{run}/about", sent | {"title": hostile}).headers["location"] == f"/reports/{run}"
    assert send(service, f"/runs/{run}/about", sent | {"title": hostile, "next": "//evil"}).headers["location"] == "/"
    fill_facts(service.settings, service.components.database, service.components.closing)
    pages = ["/", "/jobs", "/datasets", "/models", "/synthetic", "/reports", f"/jobs/{run}", f"/runs/{run}/remove"]
    for path in [*pages, *(f"/{kind}/{run}" for kind in ("datasets", "models", "synthetic", "reports"))]:
        text = see(service, path).text
        assert hostile in unescape(text), path
        assert "<b>" not in text, path
    page = see(service, f"/reports/{run}/page").text
    assert f"<h1>{hostile}</h1>" in unescape(page)
    assert '<p class="subject">digits: trained' in page
    assert service.call("GET", f"/v1/reports/{run}?format=md").text.startswith(
        f"# {hostile.replace('<', chr(92) + '<')}\n"
    )
    assert "title" not in json.loads(service.call("GET", f"/v1/reports/{run}").text)
    shown = service.call("GET", f"/v1/runs/{run}").json()
    assert (shown["data_name"], shown["labels"][3], bool(shown["verdict"])) == ("digits", "3", True)
    for query in ("label=3", "q=digits 3", "tag=b"):
        assert f'href="/jobs/{run}"' in see(service, f"/jobs?{query}").text
    assert "None match" in see(service, "/reports?label=30").text
    assert service.call("DELETE", f"/v1/runs/{run}").status_code == 204
    gone = service.call("GET", f"/v1/runs/{run}").json()
    assert (gone["labels"], gone["verdict"], gone["notes"], gone["title"]) == ([], "", "", hostile)


def test_an_upload_keeps_the_name_of_its_file(service: Service, tmp_path: Path) -> None:
    with service.components.database.writing() as session:
        sent = {"title": "Jürgens Filme.zip", "files": 1, "size": 1, "sha256": "0"}
        session.add(Upload(id=new_id(), project="lungs", key_id=service.key_ids["editor"], **sent))
    upload = service.call("GET", "/v1/uploads?q=JÜRGEN").json()["items"][0]
    (service.settings.uploads / upload["id"]).mkdir(parents=True)
    job = service.submit(data={"source": "folder", "root": upload["root"]})
    assert (job["title"], job["source"]) == ("Jürgens Filme", "folder: Jürgens Filme")
    with service.components.database.reading() as session:
        assert json.loads(session.get_one(Job, job["id"]).request)["data"]["title"] == "Jürgens Filme"
        assert json.loads(session.get_one(Job, job["id"]).config)["data"]["title"] is None
        assert session.get_one(Run, job["run"]).key_id == service.key_ids["editor"]
    assert service.call("PATCH", f"/v1/uploads/{upload['id']}", json={"title": "New"}).json()["title"] == "New"
    assert service.call("PATCH", f"/v1/uploads/{NOBODY}", json={"title": "New"}).status_code == 404
    assert service.call("PATCH", f"/v1/uploads/{upload['id']}", "stranger", json={"title": "New"}).status_code == 404
