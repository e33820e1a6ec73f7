"""The audit: what it holds of who looked, what it can be asked for, and its page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.database.tables import AuditEntry, first_id, now
from tests.support.service.page_samples import see, sign_in
from tests.support.service.service_samples import Service


def entries(service: Service, query: str = "") -> list[Any]:
    answer = service.call("GET", f"/v1/audit{query}", "admin")
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


@pytest.mark.parametrize("form", ["json", "html", "md", "csv"])
def test_who_reads_a_report_is_written_down(service: Service, whole_run: Path, form: str) -> None:
    run = service.place(whole_run)
    for path in (f"/v1/reports/{run}?format={form}", f"/v1/jobs/{run}/report?format={form}"):
        assert service.call("GET", path, "viewer").status_code == 200
        assert service.call("GET", path, "stranger").status_code == 404
    assert service.call("GET", f"/reports/{run}/page", "viewer").status_code == 200
    seen = [(row["action"], row["target"], row["detail"], row["key_id"]) for row in entries(service)]
    viewer = service.key_ids["viewer"]
    assert seen == [("report.read", run, "html", viewer)] + [("report.read", run, form, viewer)] * 2


@pytest.fixture
def filled(service: Service) -> Service:
    """A service with an entry for each of two days and three targets, of two keys."""
    with service.components.database.writing() as session:
        for number in range(60):
            when = now() - timedelta(days=number % 2 * 10, seconds=number)
            session.add(
                AuditEntry(
                    id=f"{first_id(when)}{number:012x}",
                    time=when,
                    key_id=service.key_ids["editor" if number % 3 else "viewer"],
                    action="job.run",
                    target=f"{number % 3:024x}",
                    detail="<b>bold</b>",
                )
            )
    return service


def test_the_audit_is_asked_for_a_key_a_target_and_a_time(filled: Service) -> None:
    viewer = filled.key_ids["viewer"]
    assert {row["key_id"] for row in entries(filled, f"?key={viewer}")} == {viewer}
    assert len(entries(filled, f"?key={viewer}&limit=200")) == 20
    assert [row["target"] for row in entries(filled, f"?target={1:024x}")] == [f"{1:024x}"] * 20
    lately = (now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(entries(filled, f"?since={lately}")) == 30
    assert len(entries(filled, f"?since={lately}&key={viewer}&target={0:024x}")) == 10
    page = filled.call("GET", f"/v1/audit?since={lately}&limit=20", "admin").json()
    rest = filled.call("GET", f"/v1/audit?since={lately}&limit=20&after={page['next']}", "admin").json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (20, 10, None)
    for wrong in ("key=x", "target=", "since=yesterday", "since=2026-11-21T00:00:00"):
        assert filled.call("GET", f"/v1/audit?{wrong}", "admin").status_code == 422, wrong
    assert filled.call("GET", "/v1/audit", "editor").status_code == 403


def test_administrators_leaf_through_the_audit(filled: Service) -> None:
    sign_in(filled, "editor")
    assert see(filled, "/audit").status_code == 403
    assert 'href="/audit"' not in see(filled, "/").text
    sign_in(filled, "admin")
    assert 'href="/audit"' in see(filled, "/").text
    pages, path = [], "/audit"
    while path:
        pages.append(see(filled, path).text)
        older = re.search(r'href="([^"]*)" rel="next"', pages[-1])
        path = unescape(older[1]) if older else ""
    assert sum(text.count("job.run") for text in pages) == 60
    assert len(pages) == 2
    assert "<b>bold" not in pages[0]
    viewer = filled.key_ids["viewer"]
    day = (now() - timedelta(days=5)).date()
    text = see(filled, f"/audit?key={viewer}&target={0:024x}&since={day}").text
    assert text.count("job.run") == 10
    assert (f'value="{day}"' in text, f'value="{viewer}" selected' in text) == (True, True)
    assert see(filled, "/audit?since=soon").status_code == 422
    assert "no entries that match" in see(filled, "/audit?target=nobody").text


def test_the_audit_is_asked_for_a_project_a_kind_and_some_days_and_given_as_csv(filled: Service) -> None:
    with filled.components.database.writing() as session:
        for project, action, detail in (("lungs", "key.create", "=1+1"), ("bones", "key.revoke", None)):
            session.add(AuditEntry(project=project, action=action, detail=detail))
    assert [row["action"] for row in entries(filled, "?project=lungs")] == ["key.create"]
    assert sorted(row["action"] for row in entries(filled, "?action=key")) == ["key.create", "key.revoke"]
    assert [row["project"] for row in entries(filled, "?action=key.revoke")] == ["bones"]
    assert entries(filled, "?action=ke") == []
    then = (now() - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(entries(filled, f"?until={then}&limit=200")) == 30
    answer = filled.call("GET", f"/v1/audit.csv?until={then}", "admin")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = answer.text.split("\r\n")
    assert (rows[0], len(rows)) == ("time,key_id,name,project,action,target,detail,address", 32)
    assert {row.split(",")[2] for row in rows[1:-1]} == {"editor", "viewer"}
    everything = filled.call("GET", "/v1/audit.csv", "admin").text
    assert "'=1+1" in everything  # no spreadsheet computes it
    assert everything.count("job.run") == 60
    for who in ("manager", "viewer"):
        assert filled.call("GET", "/v1/audit.csv", who).status_code == 403
    sign_in(filled, "admin")
    page = see(filled, f"/audit?project=lungs&action=key&since={now():%Y-%m-%d}&until={now():%Y-%m-%d}").text
    table = page.partition("<table")[2]
    assert ("key.create" in table, "key.revoke" in table) == (True, False)
    assert f"/v1/audit.csv?project=lungs&amp;action=key&amp;since={now():%Y-%m-%d}T00%3A00%3A00Z&amp;until=" in page
    assert see(filled, "/audit?until=soon").status_code == 422


def test_refused_keys_are_counted_and_written_together(service: Service) -> None:
    for number in range(3):
        service.call("GET", "/v1/jobs", None, headers={"Authorization": f"Bearer ganaug_{number}"})
    service.call("POST", "/v1/session", None, json={"key": "ganaug_x"})
    refusals = service.components.supervisor.refusals
    for number in range(200):
        refusals.note(f"192.0.2.{number}")
    refusals.write()
    refusals.write()
    found = {row["address"]: row["detail"] for row in entries(service, "?action=session.refuse&limit=200")}
    assert (found["testclient"], found["192.0.2.1"]) == ("4 keys that are not valid", "1 key that is not valid")
    assert (len(found), found[None]) == (101, "101 keys that are not valid, from many other addresses")
