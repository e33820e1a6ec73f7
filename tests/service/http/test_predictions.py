"""What a classifier of a comparison says of an image that is sent, to whom, and that nothing of the image stays."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gan_aug
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from tests.support.service.service_samples import Service


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


@pytest.fixture(scope="module")
def digit(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test image as a file whose name names somebody."""
    manifest = Manifest.load(whole_run / "dataset" / "manifest.json")
    pixels = np.asarray(open_images(whole_run / "dataset", manifest)[manifest.indices("test")[0], 0])
    path = tmp_path_factory.mktemp("film") / "Doe^Jane.png"
    Image.fromarray(pixels).save(path)
    return path


def asked(service: Service, run: str, content: bytes, who: str = "editor", **query: str) -> Any:
    address = f"/v1/reports/{run}/predict"
    return service.call("POST", address, who, params=query, content=content, headers={"Content-Type": "image/png"})


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # records are not what is tried
def test_it_says_what_the_command_line_says(service: Service, run: str, digit: Path, whole_run: Path) -> None:
    before = {path for path in service.settings.state.rglob("*") if path.is_file()}
    told = asked(service, run, digit.read_bytes(), arm="real", name=digit.name)
    assert told.status_code == 200, told.text
    (said,) = told.json()["predictions"]
    (expected,) = gan_aug.open(whole_run).predict([digit], "real")
    assert said["labels"] == [*expected.labels]
    assert said["probabilities"] == pytest.approx(expected.probabilities, abs=6e-5)
    assert (said["unlike"], said["distance"]) == (expected.unlike, round(expected.distance or 0, 4))
    assert "Doe" not in told.text
    left = {path.name for path in service.settings.state.rglob("*") if path.is_file() and path not in before}
    assert left <= {"likeness.json"}

    (hidden,) = asked(service, run, digit.read_bytes(), "viewer").json()["predictions"]
    assert (hidden["distance"], hidden["detail"]) == (None, None)  # they would tell who was trained on
    assert hidden["probabilities"] == said["probabilities"]

    noise = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(noise, "png")
    assert asked(service, run, noise.getvalue()).json()["predictions"][0]["unlike"]

    for content, query, status, why in [
        (b"", {}, 400, "the body is empty"),
        (b"no image", {"name": "../../x.png"}, 422, "the image cannot be read"),
        (digit.read_bytes(), {"arm": "none"}, 422, "no classifier of the arm 'none'"),
    ]:
        refused = asked(service, run, content, "editor", **query)
        assert (refused.status_code, why in refused.json()["detail"]) == (status, True), refused.text
        assert str(service.settings.state) not in refused.text
    assert asked(service, run, digit.read_bytes(), "stranger").status_code == 404
    assert service.call("POST", f"/v1/reports/{run}/predict", None, content=digit.read_bytes()).status_code == 401
    audit = service.call("GET", "/v1/audit", "admin", params={"action": "report.predict"}).json()["items"]
    assert {entry["detail"] for entry in audit} == {"real", "none"}
