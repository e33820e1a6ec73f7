"""The sampler on Ray Serve: the same bytes as the service's, and one pass for the requests of several clients."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gan_aug import config as configs
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.errors import ConfigError
from gan_aug.run.folder import RunDir
from gan_aug.stages.verbs import start
from gan_aug_service.settings import Limits
from tests.support.ray_samples import RayCluster, free_port
from tests.support.service.service_samples import Service, alone

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Ray warns of its own parts


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service in this process."""
    with Service(tmp_path / "state", None, Limits(rate=1e6, burst=10**6)) as made:
        yield made


@pytest.fixture
def other(config: Path, tmp_path: Path) -> Path:
    """Another trained model of the same shape and labels."""
    run = tmp_path / "other"
    start("train", configs.load(config, ("seed=1",)), RunDir(run), LocalExecutor(1))
    return run


@pytest.fixture
def sampler(cluster: RayCluster, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the sampler."""
    from ray import serve  # noqa: TID251

    from gan_aug_service.ray_serve import application

    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    port = free_port(8700)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(application({"state": str(service.settings.state), "replicas": "1", "rate": "1000000"}), name="sampler")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def test_images_are_those_of_the_service_whatever_models_others_ask(
    sampler: str, service: Service, made_here: Path, other: Path
) -> None:
    mine, theirs = service.place(made_here, "lungs"), service.place(other, "hearts")
    path = f"/v1/models/{mine}/sample"
    headers = {who: {"Authorization": f"Bearer {service.keys[who]}"} for who in ("viewer", "stranger", "admin")}
    with httpx.Client(base_url=sampler, timeout=300) as client:

        def ask(values: dict[str, Any], who: str = "viewer", path: str = path) -> httpx.Response:
            return client.post(path, json=values, headers=headers[who])

        one = {"label": "3", "seed": 5}
        here = service.call("POST", path, "viewer", json=one)
        there = ask(one)
        assert (there.status_code, there.content) == (200, here.content)
        assert there.headers["x-checkpoint"] == here.headers["x-checkpoint"]
        assert there.headers["x-content-type-options"] == "nosniff"
        asked = {"label": "7", "seed": 11, "first": 3, "count": 150, "format": "npz"}
        arrays = np.load(io.BytesIO(ask(asked).content))
        assert np.array_equal(arrays["images"], alone(made_here, 7, 11, 3, 150))

        models = {mine: made_here, theirs: other}
        expected = {(run, k): alone(folder, 3, 5, k, 1) for run, folder in models.items() for k in range(4)}
        assert not np.array_equal(expected[mine, 0], expected[theirs, 0])
        wanted = [(run, k % 4) for k in range(48) for run in models]
        with ThreadPoolExecutor(32) as pool:
            answers = pool.map(
                lambda of: ask({**one, "first": of[1], "format": "npz"}, "admin", f"/v1/models/{of[0]}/sample"), wanted
            )
            for of, answer in zip(wanted, answers, strict=True):
                assert np.array_equal(np.load(io.BytesIO(answer.content))["images"], expected[of]), of

        assert ask(one, "stranger").status_code == 404
        assert client.post(path, json=one).status_code == 401
        refused = ask({"label": "13"})
        assert (refused.status_code, "no label '13'" in refused.json()["detail"]) == (422, True)
        service.call("DELETE", f"/v1/keys/{service.key_ids['stranger']}", "admin")
        deadline = time.monotonic() + 120
        while ask(one, "stranger").status_code != 401:  # a key is believed for two seconds
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert client.get("/v1/jobs", headers=headers["viewer"]).status_code == 404


@pytest.mark.parametrize(
    "words", [{}, {"state": "relative"}, {"state": "/nowhere"}, {"state": "{state}", "replicas": "0"}, {"colour": "1"}]
)
def test_what_it_is_told_is_checked(service: Service, words: dict[str, str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
    from gan_aug_service.ray_serve import application

    with pytest.raises(ConfigError, match="state=DIR replicas=4 rate=50"):
        application({name: value.format(state=service.settings.state) for name, value in words.items()})


def test_where_the_records_are_not_is_said(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
    from gan_aug_service.ray_serve import application, records_of

    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    with pytest.raises(ConfigError, match="this node has no GAN_AUG_DATABASE_URL"):
        records_of(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(ConfigError, match="holds no service.db: set GAN_AUG_DATABASE_URL"):
        application({"state": str(tmp_path)})
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "postgresql://host/name")
    assert records_of(tmp_path) == "postgresql://host/name"
