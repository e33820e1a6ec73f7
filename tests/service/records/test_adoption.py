"""Runs of the command line become runs of the service; and two reports are set side by side."""

from __future__ import annotations

import fcntl
import json
import shutil
from html import unescape
from pathlib import Path

import pytest

from gan_aug.errors import RunConflict
from gan_aug.run.title import write_title
from gan_aug_service.database.tables import Key
from gan_aug_service.products.side_by_side import request_differences
from gan_aug_service.records.adoption import Adoption, adopt
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, Service

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def made(service: Service, whole_run: Path) -> Path:
    """A run of the command line in the folder that the service may read."""
    assert service.settings.data
    folder = service.settings.data / "runs" / "June <b>"
    shutil.copytree(whole_run, folder)
    write_title(folder, "Films of June")
    return folder


def take(service: Service, folder: Path) -> Adoption:
    with service.components.database.reading() as session:
        key = session.get_one(Key, service.key_ids["admin"])
    return adopt(service.settings, service.components.database, folder, "lungs", key, "Ada")


def test_a_run_is_adopted_once_and_stays_where_it_was(service: Service, made: Path, whole_run: Path) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    done = take(service, made)
    assert done.linked > 5
    assert done.copied_bytes < 3_000_000
    assert f"{done.linked:,} take no room" in str(done)
    run = service.call("GET", f"/v1/runs/{done.run}", "viewer").json()
    assert (run["title"], run["owner"], run["source"]) == ("Films of June", "Ada", "adopted: June <b>")
    assert (run["report"], run["data_name"], bool(run["verdict"])) == (True, "digits", True)
    job = service.call("GET", f"/v1/jobs/{done.run}").json()
    assert (job["verb"], job["state"], job["config"]["data"]["source"]) == ("adopt", "done", "digits")
    sign_in(service, "admin")
    assert "Films of June" in see(service, f"/reports/{done.run}").text
    assert "adopted from a folder outside" in see(service, f"/runs/{done.run}/remove").text
    with pytest.raises(RunConflict, match="adopted before"):
        take(service, made)
    with (service.settings.runs / done.run / "events.jsonl").open("a") as events:
        events.write("{}\n")  # what the service appends does not reach the folder
    assert service.call("DELETE", f"/v1/runs/{done.run}", "admin").status_code == 204
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before


def test_what_is_no_run_at_rest_is_refused(service: Service, made: Path) -> None:
    assert service.settings.data
    for folder, words in (
        (service.settings.data, "not a run folder"),
        (service.settings.data / "none", "there is no folder"),
        (service.settings.state, "belongs to this service"),
    ):
        with pytest.raises(RunConflict, match=words):
            take(service, folder)
    with (made / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunConflict, match="a process works"):
            take(service, made)
    (made / "elsewhere").symlink_to("/etc/passwd")
    with pytest.raises(RunConflict, match="the link 'elsewhere'"):
        take(service, made)
    (made / "elsewhere").unlink()
    for name in ("dataset", "train", "synthetic", "report.json"):
        path = made / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(RunConflict, match="no data set, model or set yet"):
        take(service, made)
    assert list(service.settings.runs.iterdir()) == []


def test_administrators_adopt_from_a_page(service: Service, made: Path) -> None:
    for who in ("editor", "viewer", "stranger"):
        sign_in(service, who)
        assert see(service, "/adopt").status_code == 403
        assert send(service, "/adopt", {"folder": "0:runs/June <b>"}).status_code == 403
    sign_in(service, "admin")
    shown = see(service, "/adopt").text
    assert 'value="0:runs/June &lt;b&gt;"' in shown
    assert "Films of June" in shown
    for wrong in ("", "0:..", "7:runs", "0:../state", "x", "0:/etc", "0:\0"):
        refused = send(service, "/adopt", {"folder": wrong})
        assert refused.status_code == 409
        assert str(service.settings.state.parent) not in refused.text
    answer = send(service, "/adopt", {"folder": "0:runs/June <b>"})
    assert answer.status_code == 303
    assert service.call("GET", f"/v1{answer.headers['location']}", "admin").json()["owner"] == "admin"
    assert "adopted before" in see(service, "/adopt").text


def test_two_reports_stand_side_by_side(service: Service, whole_run: Path) -> None:
    first, second = service.place(whole_run), service.place(whole_run)
    other = service.settings.runs / second / "report.json"
    report = json.loads(other.read_text())
    report["config"]["train"]["images"] = 123456
    report["dataset"]["fingerprint"] = "0"
    other.write_text(json.dumps(report))
    sign_in(service, "viewer")
    assert 'name="run"' in see(service, "/reports").text
    page = unescape(see(service, f"/reports/side-by-side?run={first}&run={second}").text)
    assert "<code>train.images</code>" in page
    assert "123,456" in page
    assert "are called digits, but they are not the same" in page
    assert page.count("<h3>") >= 8
    alike = see(service, f"/reports/side-by-side?run={first}&run={service.place(whole_run)}").text
    assert "Not at all" in alike
    for query in (f"run={first}", f"run={first}&run={first}", f"run={first}&run={second}&run={NOBODY}"):
        assert see(service, f"/reports/side-by-side?{query}").status_code == 422
    assert see(service, f"/reports/side-by-side?run={first}&run={NOBODY}").status_code == 404
    sign_in(service, "stranger")
    assert see(service, f"/reports/side-by-side?run={first}&run={second}").status_code == 404


def test_requests_differ_by_what_was_done_alone(database: str) -> None:
    first = {"seed": 0, "data": {"title": "a", "names": {"0": "x"}, "root": None}, "compare": {"arms": ["real"]}}
    second = {"seed": 0, "data": {"title": "b", "names": {}}, "compare": {"arms": ["real", "mixed"]}, "new": 1}
    assert list(request_differences(first, second)) == [
        ("data.names.0", "x", "nothing set"),
        ("compare.arms", "real", "real, mixed"),
        ("new", "nothing set", "1"),
    ]
