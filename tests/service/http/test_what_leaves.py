"""Every door of the service: no file that leaves has a hash of an image, and every synthetic image in it is marked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.compute.local import crash_safe_pool
from gan_aug.data.manifest import content_hash
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.export.bundle import files as bundle_files
from gan_aug.export.formats import FORMATS
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.gan.state import newest_checkpoint
from gan_aug.privacy.record import read_audit, write_audit
from tests.support.places import GOLDEN
from tests.support.reads_marks import check_archive, is_png, made_from, parts_of
from tests.support.service.page_samples import PAGE, sign_in
from tests.support.service.service_samples import Service

PAGES = (
    "/", "/jobs", "/jobs/{id}", "/jobs/{id}/samples", "/jobs/{id}/images/loss.png", "/runs/{id}/remove", "/datasets",
    "/datasets/{id}", "/models", "/models/{id}?form=sample&label=3", "/models/{id}/loss.png", "/models/{id}/grid.png",
    "/models/{id}/sample.png?label=3", "/models/{id}/sample.png?label=3&count=1", "/models/{id}/sample.npz?label=3",
    "/models/{id}/way.png?label=3&to_label=8", "/synthetic", "/synthetic/{id}", "/synthetic/{id}/images/3",
    "/synthetic/{id}/images/3.png", "/synthetic/{id}/pairs",
    "/releases", "/reports", "/reports/{id}", "/reports/{id}/page", "/audit", "/new",
)  # fmt: skip
REPORTS = tuple(f"/v1/reports/{{id}}?format={kind}" for kind in ("html", "md", "csv"))
SAMPLES = {
    f"/v1/models/{{id}}/{verb}": [body | {"format": kind} for kind in ("png", "npz", *more)]
    for verb, body, more in (
        ("sample", {"label": "3", "count": 3}, ()),
        ("walk", {"label": "3", "to_label": "8", "steps": 3}, ("zip",)),
        (
            "cases",
            {"label": "3", "confidence": 0.5, "tolerance": 0.9, "images": 4, "count": 1, "arm": "real"},
            ("zip",),
        ),
    )
}
NOT_MADE = ("loss.png", "learning-curves.png")
"""Pictures of curves, which show no image."""


@pytest.fixture
def database() -> None:
    """SQLite alone: what leaves does not depend on the records."""


class InThisProcess:
    """Takes the place of a pool of processes that may die."""

    def __init__(self, *_: object) -> None:
        """Start nothing."""

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    def map(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        return map(work, items)


@pytest.fixture(autouse=True)
def _untraced_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles are made here, and without their traced program: another process would take seconds for it."""
    monkeypatch.setattr(crash_safe_pool, "CrashSafePool", InThisProcess)
    monkeypatch.setattr(bundle_files, "program", lambda network, columns: b"the network and its weights")


@pytest.fixture(params=["new", "0.1"])
def run(request: pytest.FixtureRequest, service: Service, whole_run: Path) -> str:
    """A run of this version, and one of version 0.1, whose records list the hash of every training image."""
    if request.param == "new":
        placed = service.place(whole_run)
        service.release(placed)
        return placed
    placed = service.place(GOLDEN / "run_0_1")
    audited_as_allowed(service.settings.runs / placed, whole_run)
    service.release(placed)
    return placed


def audited_as_allowed(folder: Path, like: Path) -> None:
    """Write an audit of the run's set and model that lets them leave, as if the one of another run were of them."""
    made = SyntheticManifest.load(folder / "synthetic" / "manifest.json")
    allowed = {"allowed": True, "reasons": []}
    record = (read_audit(like) or {}) | {"synthetic": made.fingerprint, "checkpoint": made.checkpoint, "released": None}
    write_audit(folder, record | {"set": allowed, "model": allowed})


def doors(service: Service, run: str) -> Iterator[tuple[str, bytes]]:
    """What each door gives: every GET route of the REST interface, every sample, and every page."""
    documented = service.call("GET", "/openapi.json").json()["paths"]
    gets = [path for path, verbs in documented.items() if "get" in verbs and set(path.split("{")[1:]) <= {"id}", *ENDS}]
    asked = [path.replace("/events", "/events?wait=false") for path in gets] + [*REPORTS, *DOWNLOADS]
    assert len(gets) > 15
    for path in asked:
        answer = service.call("GET", path.format(id=run), ALLOWED.get(path.removeprefix("/v1/"), "viewer"))
        if answer.status_code not in (404, 422):  # 422: it gives nothing without a query
            assert answer.status_code in (200, 503), (path, answer.text)  # /readyz: its queue was not started
            yield path, answer.content
    for path, bodies in SAMPLES.items():
        for body in bodies:
            answer = service.call("POST", path.format(id=run), "viewer", json=body)
            assert answer.status_code == 200, (path, answer.text)
            yield f"{path} {body['format']}", answer.content
    sign_in(service)
    for path in PAGES:
        answer = service.client.get(path.format(id=run), headers=PAGE)
        if answer.status_code != 404:
            yield path, answer.content


DOWNLOADS = [f"/v1/synthetic/{{id}}/download?format={name}" for name in FORMATS]
DOWNLOADS += [f"/v1/models/{{id}}/download?format={name}" for name in MODEL_FORMATS]
ALLOWED = {
    "keys": "admin", "audit": "admin", "audit.csv": "admin", "/metrics": "admin", "invitations": "manager",
    "data/preview": "editor",
}  # fmt: skip
ENDS = {f"id}}{end}" for end in ("/download", "/report", "/events", "/releases", "/audit")}


def test_no_door_has_a_hash_of_an_image_and_every_synthetic_one_is_marked(service: Service, run: str) -> None:
    folder = service.settings.runs / run
    images = np.load(folder / "dataset/images.npy")
    hashes = _spellings(images)
    manifest = (folder / "dataset/manifest.json").read_bytes()
    assert sum(needle in manifest for needle in hashes) == len(images), "the control: the run itself has them"
    opened = [(path, part) for path, content in doors(service, run) for part in parts_of(path, content)]
    assert len({path for path, _ in opened}) > 35
    for path, (name, content) in opened:
        assert not any(needle in content for needle in hashes), name
        if content[:2] == b"PK" and not name.endswith("model.pt"):  # pickled weights of a bundle, beside its mark
            check_archive(name, content)
        elif is_png(content) and not name.endswith(NOT_MADE):
            facts, real = made_from(content), _is_one_of(content, images)
            assert (facts is None) == real, f"{name}: real images have no mark, and synthetic ones have it"
            told = json.dumps(facts)
            assert "content" not in told, path


def test_the_record_that_leaves_has_the_id_and_counts(service: Service, run: str) -> None:
    answer = service.call("GET", f"/v1/models/{run}/download", "viewer")
    record = json.loads(dict(parts_of("zip", answer.content))["zip/checkpoint.json"])
    checkpoint = newest_checkpoint(service.settings.runs / run / "train/checkpoints")
    assert checkpoint
    assert record["id"] == checkpoint.id
    assert record["dataset"] == checkpoint.dataset
    assert record["trained_images"] == checkpoint.trained_images > 100
    assert "trained_on" not in record


def _spellings(images: np.ndarray) -> list[bytes]:
    """The hashes of each image, of its stored form and of its pixels alone: as text, as bytes and in base64."""
    found = []
    for image in images:
        for digest in (bytes.fromhex(content_hash(image)), hashlib.sha256(image.tobytes()).digest()):
            found += [digest.hex().encode(), digest, base64.b64encode(digest)[:-1]]
    return found


def _is_one_of(content: bytes, images: np.ndarray) -> bool:
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return pixels.shape == images.shape[2:] and bool((images[:, 0] == pixels).all(axis=(1, 2)).any())
