"""The pages of jobs: who may see and stop them, what they show of a run, and that nothing in it becomes markup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_aug.run.events import Event
from gan_aug_service.database.tables import Job, JobState, now
from gan_aug_service.records.remaining import read_events
from gan_aug_service.web.kit import progress
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, Service

HOSTILE = "<img src=x onerror=alert(1)>"


def finish(
    service: Service, job_id: str, state: JobState, error: str | None = None, message: str | None = None
) -> None:
    """Write down that a job has ended."""
    with service.components.database.writing() as session:
        job = session.get_one(Job, job_id)
        job.state, job.started, job.ended, job.holds_run = state, now(), now(), None
        job.error, job.message = error, message


def record(service: Service, job_id: str, *events: Event) -> None:
    """Events in a job's run."""
    folder = service.settings.runs / job_id
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.jsonl").open("a") as file:
        file.writelines(event.to_json() + "\n" for event in events)


def test_home_and_the_list_show_the_projects_jobs(service: Service) -> None:
    job = service.submit()
    sign_in(service, "viewer")
    assert f'href="/jobs/{job["id"]}"' in see(service, "/").text
    assert f'href="/jobs/{job["id"]}"' in see(service, "/jobs?state=queued").text
    assert "There are no done jobs" in see(service, "/jobs?state=done").text
    sign_in(service, "stranger")
    assert "Nothing here yet" in see(service, "/").text
    assert see(service, f"/jobs/{job['id']}").status_code == 404


def test_the_list_goes_on_to_older_ones(service: Service) -> None:
    made = [service.submit(seed=seed)["id"] for seed in range(52)]
    sign_in(service)
    first = see(service, "/jobs").text
    assert f'href="/jobs?after={made[2]}"' in first
    older = see(service, f"/jobs?after={made[2]}").text
    assert [job for job in made if f'href="/jobs/{job}"' in older] == made[:2]


def test_a_viewer_watches_and_cannot_stop(service: Service) -> None:
    job = service.submit()
    sign_in(service, "viewer")
    page = see(service, f"/jobs/{job['id']}").text
    assert "/cancel" not in page
    assert '<meta http-equiv="refresh" content="5">' in page  # without scripts
    assert send(service, f"/jobs/{job['id']}/cancel").status_code == 403
    assert send(service, f"/jobs/{job['id']}/resume").status_code == 403
    assert service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "queued"


def test_an_editor_cancels_and_resumes(service: Service) -> None:
    job = service.submit()
    sign_in(service)
    path = f"/jobs/{job['id']}"
    assert f'action="{path}/cancel"' in see(service, path).text
    assert send(service, f"{path}/cancel").headers["location"] == path
    page = see(service, path).text
    assert 'class="state cancelled"' in page
    assert f'action="{path}/resume"' in page
    assert send(service, f"{path}/resume").headers["location"] == path
    assert service.call("GET", f"/v1{path}").json()["state"] == "queued"
    again = send(service, f"{path}/resume")
    assert again.status_code == 409
    assert "only an ended job can be resumed" in again.text


def test_labels_in_events_and_problems_do_not_become_markup(service: Service) -> None:
    job = service.submit()
    place = service.settings.runs.resolve() / job["run"]
    record(service, job["id"], Event("dataset", "finish", f"10 images of {HOSTILE} in {place}/x"))
    finish(service, job["id"], JobState.FAILED, "DataError", f"the label {HOSTILE} in {place}/a.png is odd")
    sign_in(service)
    page = see(service, f"/jobs/{job['id']}").text
    assert HOSTILE not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 2
    assert str(service.settings.state.resolve()) not in page
    assert "<h2>It failed" in page


def test_a_failure_is_shown_where_it_happened(service: Service) -> None:
    job = service.submit("run")
    record(
        service,
        job["id"],
        Event("dataset", "start"),
        Event("dataset", "finish", "90 images"),
        Event("train", "start"),
        Event("train", "progress", done=64, total=320, unit="images", values={"loss_d": 0.5, "loss_g": 1.5}),
    )
    finish(service, job["id"], JobState.FAILED, "TrainingDiverged", "the loss is not finite: use a lower train.lr")
    sign_in(service)
    page = see(service, f"/jobs/{job['id']}").text
    assert "It failed in the stage train" in page
    assert "64 of 320 images" in page
    assert 'data-points="[[64, 0.5, 1.5]]"' in page


def test_a_finished_run_shows_its_pictures_and_what_it_made(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    sign_in(service, "viewer")
    page = see(service, f"/jobs/{run}").text
    for noun in ("reports", "datasets", "models", "synthetic"):
        assert f'href="/{noun}/{run}"' in page
    names = service.client.get(f"/jobs/{run}/samples").json()
    newest = [name for name in names if name.startswith("samples-")][-1]
    assert f'src="/jobs/{run}/images/{newest}"' in page
    picture = service.client.get(f"/jobs/{run}/images/{newest}")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    points = json.loads(page.split('data-points="')[1].split('"')[0])
    assert points
    assert points[-1][0] == 320


@pytest.mark.parametrize(
    "name",
    ["history.jsonl", "samples-1.png", "..%2Frequest.json", "%2e%2e%2frequest.json", "samples-0000000000.png%00"],
)
def test_only_pictures_of_the_training_are_given(service: Service, whole_run: Path, name: str) -> None:
    run = service.place(whole_run)
    sign_in(service)
    answer = service.client.get(f"/jobs/{run}/images/{name}")
    assert answer.status_code == 404
    sign_in(service, "stranger")
    loss = service.client.get(f"/jobs/{run}/images/loss.png")
    assert loss.status_code == 404


def test_stages_stand_in_their_order_with_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = [
        Event("ray", "note", "joined the cluster"),
        Event("dataset", "start"),
        Event("dataset", "finish", "90 images"),
        Event("dataset", "note", "an aside after its end"),
        Event("train", "start"),
        Event("train", "progress", done=64, total=320, unit="images"),
    ]
    text = "".join(event.to_json() + "\n" for event in events)
    path.write_text("earlier\n" + text + '{"torn": ')
    read = read_events(path, len("earlier\n"), None)
    assert [(event.stage, event.kind) for event in read] == [(event.stage, event.kind) for event in events]
    dataset, train = progress.stages(read)
    assert (dataset.name, dataset.finished, dataset.message) == ("dataset", True, "90 images")
    assert (train.name, train.finished, train.done, train.total) == ("train", False, 64, 320)
    assert read_events(path, len("earlier\n"), len("earlier\n")) == []


def test_nobodys_job_is_a_page_that_says_so(service: Service) -> None:
    sign_in(service)
    page = see(service, f"/jobs/{NOBODY}")
    assert page.status_code == 404
    assert NOBODY in page.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_queue_is_paused_and_ordered_from_its_page(service: Service) -> None:
    first, second = (service.submit("train")["id"] for _ in range(2))
    sign_in(service)
    page = see(service, f"/jobs/{second}").text
    assert "Waiting: place 2 in the queue." in page
    assert send(service, f"/jobs/{second}/pause", {}).headers["location"] == f"/jobs/{second}"
    assert "Paused: it does not start" in see(service, f"/jobs/{second}").text
    assert "Pause the queue" not in see(service, "/queue").text
    send(service, f"/jobs/{second}/continue", {})
    assert send(service, f"/jobs/{second}/turn", {"turn": "first"}).status_code == 403

    sign_in(service, "admin")
    send(service, f"/jobs/{second}/turn", {"turn": "first"})
    send(service, "/queue/pause", {})
    assert send(service, f"/jobs/{second}/turn", {"turn": "middle"}).status_code == 422
    queue = see(service, "/queue").text
    assert queue.index(second) < queue.index(first)
    assert "<strong>Paused</strong> by admin" in queue
    assert "an administrator has paused the queue" in see(service, f"/jobs/{first}").text
    sign_in(service, "viewer")
    assert "gan.width" in see(service, "/rules").text
    (service.settings.processes / first).mkdir()
    (service.settings.processes / first / "log").write_text("train: begun\nMüller\n")
    assert see(service, f"/jobs/{first}/log").status_code == 403
    sign_in(service)
    log = see(service, f"/jobs/{first}/log").text
    assert "train: begun" in log
    assert "Müller" not in log
    assert f'href="/jobs/{first}/log"' in see(service, f"/jobs/{first}").text
