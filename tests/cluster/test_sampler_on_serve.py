"""The sampler on Ray Serve: the same bytes as the service's, and one pass for the requests of several clients."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from ray_samples import RayCluster
from service_samples import Service, alone

from gan_aug.errors import ConfigError
from gan_aug.synthesis.sampler import BLOCK
from services.settings import Limits

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Ray warns of its own parts
PORT = 8791


@pytest.fixture
def service(tmp_path: Path, made_here: Path) -> Iterator[Service]:
    """A service with a trained model."""
    with Service(tmp_path / "state", None, Limits(rate=1e6, burst=10**6)) as made:
        made.place(made_here)
        yield made


@pytest.fixture
def sampler(cluster: RayCluster, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A handle of the sampler, which listens on PORT."""
    from ray import serve  # noqa: TID251

    from services.serve import application

    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    yield serve.run(application({"state": str(service.settings.state), "replicas": "1"}), name="sampler")
    serve.shutdown()


def test_images_are_those_of_the_service_and_requests_share_passes(
    sampler: Any, service: Service, made_here: Path
) -> None:
    (run,) = (path.name for path in service.settings.runs.iterdir())
    path = f"/v1/models/{run}/sample"
    headers = {"Authorization": f"Bearer {service.keys['viewer']}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=120) as client:

        def ask(values: dict[str, Any], headers: dict[str, str] = headers) -> httpx.Response:
            return client.post(path, json=values, headers=headers)

        one = {"label": "3", "seed": 5}
        here = service.call("POST", path, "viewer", json=one)
        there = ask(one)
        assert (there.status_code, there.content) == (200, here.content)
        assert there.headers["x-checkpoint"] == here.headers["x-checkpoint"]
        assert there.headers["x-content-type-options"] == "nosniff"
        asked = {"label": "7", "seed": 11, "first": 3, "count": 150, "format": "npz"}
        arrays = np.load(io.BytesIO(ask(asked).content))
        assert np.array_equal(arrays["images"], alone(made_here, 7, 11, 3, 150))

        made, passes = sampler.counts.remote().result()
        assert made == 151
        assert 1 + 150 / BLOCK <= passes <= 6
        with ThreadPoolExecutor(32) as pool:
            answers = list(
                pool.map(lambda k: ask({"label": "3", "seed": 5, "first": k % 4, "format": "npz"}), range(96))
            )
        for k, answer in enumerate(answers):
            images = np.load(io.BytesIO(answer.content))["images"]
            assert np.array_equal(images, alone(made_here, 3, 5, k % 4, 1)), answer.text
        made_then, passes_then = sampler.counts.remote().result()
        assert made_then - made == 96
        assert 96 / BLOCK <= passes_then - passes < 96  # how many share one depends on how fast they come

        assert ask(one, {}).status_code == 401
        refused = ask({"label": "13"})
        assert (refused.status_code, "no label '13'" in refused.json()["detail"]) == (422, True)
        service.call("DELETE", f"/v1/keys/{service.key_ids['stranger']}", "admin")
        assert ask(one, {"Authorization": f"Bearer {service.keys['stranger']}"}).status_code == 401
        assert client.get("/v1/jobs", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "words", [{}, {"state": "relative"}, {"state": "/nowhere"}, {"state": "{state}", "replicas": "0"}, {"colour": "1"}]
)
def test_what_it_is_told_is_checked(service: Service, words: dict[str, str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
    from services.serve import application

    with pytest.raises(ConfigError, match="state=DIR replicas=4"):
        application({name: value.format(state=service.settings.state) for name, value in words.items()})


def test_a_node_without_the_records_says_so(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
    from services.serve import records_of

    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    assert records_of(service.settings.state) is None
    with pytest.raises(ConfigError, match="holds no service.db: start Ray's nodes with the service's GAN_AUG_DATABASE"):
        records_of(tmp_path)
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "postgresql://host/name")
    assert records_of(tmp_path) == "postgresql://host/name"
