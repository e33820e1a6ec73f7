"""Walks and cases on demand: the images of the sampler, found among the requests of others, within bounds."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.settings import Limits
from tests.support.service.service_samples import Service, alone

LABELS = np.eye(10, dtype=np.float32)


@pytest.fixture
def database() -> None:
    """SQLite alone: what is made does not depend on the records."""


def facts(content: bytes) -> dict[str, Any]:
    """What the PNG file of synthetic images says of itself."""
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        said: dict[str, Any] = json.loads(picture.text["gan-aug"])  # type: ignore[attr-defined]
    assert said["synthetic"] is True
    return said


def test_a_walk_has_the_images_of_the_sampler_at_its_ends(service: Service, whole_run: Path, shared: bool) -> None:
    run = service.place(whole_run)
    asked = {"label": "3", "to_label": "8", "seed": 5, "to_seed": 9, "steps": 6, "arm": "real", "format": "npz"}
    answer = service.call("POST", f"/v1/models/{run}/walk", "viewer", json=asked)
    arrays = np.load(io.BytesIO(answer.content))
    made_from = json.loads(str(arrays["made_from"]))
    assert np.array_equal(arrays["images"][:1], alone(whole_run, 3, 5, 0, 1))
    assert np.array_equal(arrays["images"][-1:], alone(whole_run, 8, 9, 0, 1))
    assert made_from["checkpoint"] == answer.headers["x-checkpoint"]
    assert answer.headers["x-synthetic"] == "true"
    rows = made_from["images"]
    assert [row["labels"]["8"] for row in rows] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert [row["to_seed"] for row in rows] == [None, 9, 9, 9, 9, None]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1) for row in rows)
    assert made_from["classifier"]["arm"] == "real"
    plain = service.call("POST", f"/v1/models/{run}/walk", "viewer", json={"label": "3", "to_truncation": 0})
    assert plain.headers["content-type"] == "image/png"
    assert "classifier" not in facts(plain.content)
    assert [row["truncation"] for row in facts(plain.content)["images"]] == pytest.approx(np.linspace(1, 0, 8))
    assert service.call("GET", "/v1/audit", "admin").json()["items"][0]["action"] == "model.sample"


def test_cases_are_called_as_wished_and_come_as_a_folder(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    asked = {"label": "3", "of": "8", "confidence": 0.1, "tolerance": 0.005, "count": 3, "images": 100, "format": "zip"}
    answer = service.call("POST", f"/v1/models/{run}/cases", "viewer", json=asked)
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
        assert len(rows) == int(answer.headers["x-found"]) == 3
        for row in rows:
            assert abs(float(row["probability of 8"]) - 0.1) <= 0.005
            assert facts(archive.read(row["file"]))["search"]["found"] == 3
            assert row["checkpoint"] == answer.headers["x-checkpoint"]
    sheet = service.call("POST", f"/v1/models/{run}/cases", "viewer", json=asked | {"format": "png"})
    assert [row["number"] for row in facts(sheet.content)["images"]] == [int(row["number"]) for row in rows]


def test_what_cannot_be_made_is_a_problem(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    needed: dict[str, dict[str, Any]] = {
        "walk": {"label": "3"},
        "cases": {"label": "3", "confidence": 0.5, "images": 9},
    }
    for route, changes, says in (
        ("cases", {"confidence": 0.999}, "no image was called '3' with 0.999 ± 0.05"),
        ("cases", {"arm": "dream"}, "no classifier of the arm 'dream'"),
        ("cases", {"of": "ten"}, "the model has no label 'ten'"),
        ("cases", {"from_label": "3"}, "to the same ones"),
        ("cases", {"confidence": 1}, "confidence"),
        ("cases", {"images": 257}, "images"),
        ("cases", {"count": 9}, "count"),
        ("walk", {"to_label": ["3", "8"]}, "one label each"),
        ("walk", {"arm": "../../x"}, "no classifier of the arm"),
        ("walk", {"steps": 65}, "steps"),
        ("walk", {"to_truncation": 1.5}, "to_truncation"),
    ):
        asked = needed[route] | changes
        answer = service.call("POST", f"/v1/models/{run}/{route}", "viewer", json=asked)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), asked
        assert says in answer.json()["detail"]
        assert str(service.settings.state) not in answer.text
    for route, asked in needed.items():
        assert service.call("POST", f"/v1/models/{run}/{route}", "stranger", json=asked).status_code == 404


def test_the_page_of_a_model_walks_from_one_label_to_another(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    query = "label=3&to_label=8&seed=5&to=5&frames=4"
    page = service.call("GET", f"/models/{run}?form=way&{query}", headers={"Accept": "text/html"})
    assert "label 3 to 8, from seed 5 to seed 5" in page.text
    assert page.text.count('<option value="8" selected>') == 1
    wrong = service.call("GET", f"/models/{run}?form=way&label=3&to_label=13", headers={"Accept": "text/html"})
    assert "the model has no label &#39;13&#39;" in wrong.text
    strip = service.call("GET", f"/models/{run}/way.png?{query}")
    assert facts(strip.content)["to_label"] == ["8"]
    with Image.open(io.BytesIO(strip.content)) as picture:
        pixels = np.asarray(picture)
    assert np.array_equal(pixels[:, :16], alone(whole_run, 3, 5, 0, 1)[0, 0])
    assert np.array_equal(pixels[:, -16:], alone(whole_run, 8, 5, 0, 1)[0, 0])


class TestLowLimits:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(rate=10_000, burst=10_000, sample=16, images=20)

    def test_the_services_limits_hold_for_walks_and_cases(self, service: Service, whole_run: Path) -> None:
        run = service.place(whole_run)
        walk = service.call("POST", f"/v1/models/{run}/walk", json={"label": "3", "steps": 17})
        cases = service.call("POST", f"/v1/models/{run}/cases", json={"label": "3", "confidence": 0.5, "images": 17})
        assert (walk.status_code, cases.status_code) == (422, 422)
        assert "steps: 17 is more than 16" in walk.json()["detail"]
        assert "images: 17 is more than 16" in cases.json()["detail"]


def test_while_a_classifier_is_asked_the_images_of_others_are_made(whole_run: Path) -> None:
    """The classifier works in a thread of its own, and is forgotten if its run goes."""

    async def ask() -> None:
        samplers, asked, go_on = Samplers(lambda images, blocks: None), threading.Event(), threading.Event()
        batcher, classifier = await samplers.get(whole_run), await samplers.classifiers.get(whole_run, "real")
        assert await samplers.classifiers.get(whole_run, "real") is classifier
        before = type(classifier).probabilities

        def slow(self: Any, images: Any) -> Any:
            asked.set()
            go_on.wait(60)
            return before(self, images)

        images = await batcher.sample(LABELS[:1], 5, 0)
        type(classifier).probabilities = slow  # type: ignore[method-assign]
        try:
            scoring = asyncio.create_task(samplers.classifiers.score(classifier, images))
            await asyncio.to_thread(asked.wait, 60)
            assert np.array_equal(await batcher.sample(LABELS[:1], 5, 0), images)
            assert not scoring.done()
            go_on.set()
            assert (await scoring).shape == (1, 10)
        finally:
            type(classifier).probabilities = before  # type: ignore[method-assign]
        samplers.close()

    asyncio.run(ask())
