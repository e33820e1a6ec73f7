"""What can be known before queueing is said before it, and how long a job still takes while it is at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gan_aug.errors import DataError
from gan_aug.run.events import Event
from gan_aug_service.database.tables import Job
from gan_aug_service.openapi.checks import duration_in_words, estimate_in_words
from gan_aug_service.queue import check_process
from gan_aug_service.queue.checker import Checker
from gan_aug_service.records.remaining import remaining
from gan_aug_service.web.kit.presets import PRESETS, with_preset
from tests.service.web.test_form import Entered
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, TINY, Service

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FOUND: dict[str, Any] = {
    "positive": "3, by default",
    "findings": ["the images are small"],
    "source": {"labels": {"3": 30, "8": 30}},
    "splits": {"train": {"images": 40, "labels": {}}, "test": {"images": 20, "labels": {}}},
    "set aside": {"files": 1, "reasons": {}, "first": []},
    "memory": 640_000_000,
    "seconds": {"start": 10.0, "train": 420.0, "compare": 300.0, "all": 730.0, "counted": {"train": "3 GANs"}},
}


def event(stage: str, at: float, kind: Any = "progress", done: int = 0, total: int = 100) -> Event:
    return Event(stage, kind, "", done, total if kind == "progress" else None, "images", time=at)


class TestRemaining:
    EXPECTED = {"start": 10.0, "import": 20.0, "train": 400.0, "compare": 200.0}  # noqa: RUF012

    def test_before_it_starts_all_is_left(self) -> None:
        left = remaining(self.EXPECTED, [], 0, 0)
        assert sum(left.stages.values()) == 630
        assert left.words == "about 10 min left: train 7 min, compare 3 min"

    def test_a_stage_is_measured_and_the_later_ones_take_its_pace(self) -> None:
        events = [
            event("dataset", 10, "start"),
            event("dataset", 30, "finish"),
            event("train", 30, "start"),
            event("train", 230, done=25),
        ]
        left = remaining(self.EXPECTED, events, 0, 230)
        assert left.stages == {"train": 600.0, "compare": 400.0}  # twice as slow as expected
        assert remaining(self.EXPECTED, events, 0, 330).stages["train"] == 500.0
        assert left.words == "about 17 min left: train 10 min, compare 7 min"

    def test_what_was_done_before_a_resume_is_no_measure(self) -> None:
        events = [event("train", 0, "start"), event("train", 10, done=50), event("train", 1000, "start"),
                  event("train", 1010, done=50), event("train", 1110, done=75)]  # fmt: skip
        assert remaining({}, events, 990, 1110).stages["train"] == pytest.approx(36.7, abs=80)

    def test_without_an_estimate_the_stage_alone_is_told(self) -> None:
        left = remaining({}, [event("train", 0, "start"), event("train", 60, done=50)], 0, 60)
        assert (left.stages, left.whole) == ({"train": 60.0}, False)
        assert left.words == "about train 60 s left in this stage"
        late = remaining({"train": 50.0}, [event("train", 0, "start"), event("train", 1, done=1)], 0, 60)
        assert late.words == "nearly done"
        assert remaining({}, [], 0, 0).words == "how long it takes is not known yet"

    def test_an_early_stage_keeps_to_what_was_expected(self) -> None:
        left = remaining(self.EXPECTED, [event("train", 0, "start"), event("train", 100, done=1)], 0, 100)
        assert left.stages == {"import": 20.0, "train": 300.0, "compare": 200.0} or left.stages["train"] == 300.0


def test_times_are_said_as_people_say_them() -> None:
    assert [duration_in_words(seconds) for seconds in (40, 720, 12_000)] == ["40 s", "12 min", "3 h 20 min"]
    assert (
        estimate_in_words(730, {"start": 10, "train": 420, "compare": 300})
        == "about 12 min (train 7 min, compare 5 min)"
    )
    assert estimate_in_words(20, {"compare": 20}) == "about 20 s"


def test_a_preset_keeps_the_images_and_sets_the_rest() -> None:
    texts = {"data.source": ["folder"], "data.root": ["x"], "gan.width": ["99"], "compute.workers": ["1"]}
    tried = with_preset(texts, "try")
    assert (tried["data.root"], tried["compute.workers"], tried["train.images"]) == (["x"], ["1"], ["20000"])
    assert "gan.width" not in tried
    assert with_preset(texts, "nothing") == texts
    assert [preset.name for preset in PRESETS] == ["try", "standard", "thorough", "few"]


@sqlite
class TestChecks:
    @pytest.fixture
    def answers(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What the process of a check answers, in place of one."""
        given: list[Any] = []
        monkeypatch.setattr(Checker, "_answer", lambda self, verb, run, request: given[-1])
        return given

    def test_what_was_found_is_said_and_kept_with_the_job(self, service: Service, answers: list[Any]) -> None:
        answers.append({"found": FOUND})
        quick = service.call("POST", "/v1/jobs/check?verb=train&quick=true", json=TINY).json()
        assert (quick["complete"], quick["findings"], quick["estimate"]) == (False, [], None)
        found = service.call("POST", "/v1/jobs/check?verb=train", json=TINY).json()
        assert found["complete"]
        assert found["findings"] == ["positive: 3, by default", "the images are small"]
        assert (found["labels"], found["splits"]["test"], found["set_aside"]) == ({"3": 30, "8": 30}, 20, 1)
        assert found["estimate"]["words"] == "about 12 min (train 7 min, compare 5 min)"
        again = service.call("POST", "/v1/jobs/check?verb=train&quick=true", json=TINY).json()
        assert again["estimate"] == found["estimate"]
        job = service.submit("train")
        left = service.call("GET", f"/v1/jobs/{job['id']}/remaining", "viewer").json()
        assert (left["seconds"], left["words"]) == (730, "about 12 min left: train 7 min, compare 5 min")
        assert service.call("GET", f"/v1/jobs/{service.submit('compare')['id']}/remaining").json()["seconds"] is None
        assert service.call("GET", f"/v1/jobs/{job['id']}/remaining", "stranger").status_code == 404

    def test_a_fault_is_what_the_job_would_end_with(self, service: Service, answers: list[Any]) -> None:
        answers.append({"error": "DataError", "message": f"{service.settings.state.resolve()}/x holds no image: look"})
        answer = service.call("POST", "/v1/jobs/check", json=TINY)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:gan-aug:problem:DataError")
        assert answer.json()["detail"] == "x holds no image: look"
        answers.append(None)
        late = service.call("POST", "/v1/jobs/check", json=TINY).json()
        assert not late["complete"]
        assert "ended after 240 s" in late["findings"][0]
        wide = TINY | {"gan": {"width": 10**5}}
        assert "gan.width: 100,000" in service.call("POST", "/v1/jobs/check?quick=true", json=wide).json()["detail"]
        assert service.call("POST", "/v1/jobs/check", "viewer", json=TINY).status_code == 403
        assert service.call("POST", "/v1/jobs/check", None, json=TINY).status_code == 401
        assert service.call("POST", f"/v1/jobs/check?run={NOBODY}", json=TINY).status_code == 404
        with service.components.database.reading() as session:
            assert session.query(Job).count() == 0

    def test_no_more_are_at_work_than_may_be(self, service: Service, answers: list[Any]) -> None:
        answers.append({"found": FOUND})
        held = [service.components.checker._free.acquire(blocking=False) for _ in range(2)]
        assert held == [True, True]
        answer = service.call("POST", "/v1/jobs/check", json=TINY)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")

    def test_the_form_is_checked_and_begins_with_a_preset(self, service: Service, answers: list[Any]) -> None:
        answers.append({"found": FOUND})
        sign_in(service)
        fields = Entered(see(service, "/new?example=quickstart").text).fields
        tried = Entered(send(service, "/new", fields | {"action": "preset:try"}).text).fields
        assert (tried["data.source"], tried["data.size"], tried["train.images"]) == (["digits"], ["16"], ["20000"])
        page = send(service, "/new", fields | {"action": "check"})
        assert page.status_code == 200
        assert "nothing stands in the way" in page.text
        assert "about 12 min (train 7 min, compare 5 min)</span>" in page.text
        said = send(service, "/new/quick", fields).json()
        assert said == {"faults": [], "estimate": "about 12 min (train 7 min, compare 5 min)"}
        said = send(service, "/new/quick", fields | {"gan.width": ["100000"]}).json()
        assert said["faults"][0].startswith("gan.width: 100,000")
        started = send(service, "/new", fields | {"action": "start"})
        job = started.headers["location"]
        assert "It takes about 12 min" in see(service, job).text


def test_the_process_of_a_check_answers_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(TINY))
    monkeypatch.setattr(
        check_process.api,
        "plan",
        lambda config, folder, verb: {
            "verb": verb,
            "folder": str(folder),
            "findings": ["few", "about 5 min at the speed that this machine has now (...)"],
            "seconds": {"start": 1e6, "all": 1e6},
        },
    )
    found = check_process.answer("train", tmp_path, request)["found"]
    assert (found["verb"], found["folder"], found["findings"]) == ("train", str(tmp_path), ["few"])
    slow = {"start": 10.0, "train": 50.0, "generate": 1.0, "compare": 40.0, "all": 101.0, "counted": {"train": "1 GAN"}}
    config = {"audit": {"enabled": "auto"}}
    with_rest = check_process._with_the_rest({"findings": [], "seconds": dict(slow), "config": config}, 20.0, "x")
    assert with_rest["seconds"] == {
        "start": 50, "train": 50, "generate": 1, "audit": 40, "compare": 70, "all": 210, "counted": {"train": "1 GAN"}
    }  # fmt: skip
    without = {"findings": [], "seconds": {"start": 10.0, "train": 50.0, "all": 60.0, "counted": {}}}
    assert check_process._with_the_rest(without, 1.0, "x")["seconds"]["all"] == 60

    def fails(*_: object, **__: object) -> None:
        raise DataError("no image: look")

    monkeypatch.setattr(check_process.api, "plan", fails)
    assert check_process.answer("run", tmp_path, request) == {"error": "DataError", "message": "no image: look"}
