"""The pages of projects."""

from __future__ import annotations

from tests.service.access.test_projects import project_id
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, Service


def test_projects_are_managed_on_their_pages(service: Service) -> None:
    lungs = project_id(service, "lungs")
    sign_in(service, "viewer")
    page = see(service, f"/projects/{lungs}").text
    assert "Change the title" not in page
    assert "colleague" not in page
    sign_in(service, "manager")
    page = see(service, f"/projects/{lungs}").text
    assert "colleague" in page
    assert "Archive" not in page
    assert send(service, f"/projects/{lungs}/change", {"title": "Thorax"}).status_code == 303
    assert "manager of Thorax" in " ".join(see(service, "/").text.split())
    assert send(service, f"/projects/{lungs}/share", {"reader": "bones"}).status_code == 303
    assert "Share no more" in see(service, f"/projects/{lungs}").text
    assert send(service, f"/projects/{lungs}/unshare", {"reader": "bones"}).status_code == 303
    viewer = f"/projects/{lungs}/members/{service.key_ids['viewer']}"
    assert send(service, f"{viewer}/role", {"role": "king"}).status_code == 422
    assert send(service, f"{viewer}/role", {"role": "releaser"}).status_code == 303
    assert send(service, f"{viewer}/remove").status_code == 303
    sign_in(service, "admin")
    again = send(service, "/projects", {"name": "<b>", "title": "x"})
    assert (again.status_code, "&lt;b&gt;" in again.text) == (422, True)
    made = send(service, "/projects", {"name": "teaching", "title": "Teaching"})
    assert made.status_code == 303
    assert "It has no members yet" in see(service, made.headers["location"]).text
    assert "there is a project teaching" in send(service, "/projects", {"name": "teaching"}).text
    assert send(service, f"{made.headers['location']}/change", {"archived": "true"}).status_code == 303
    assert "archived" in see(service, "/projects").text
    assert see(service, f"/projects/{NOBODY}").status_code == 404
    unknown = send(service, "/keys", {"name": "x", "role": "viewer", "project": "lugns"})
    assert "did you mean lungs?" in unknown.text
