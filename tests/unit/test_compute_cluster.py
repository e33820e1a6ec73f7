"""What of the door to Ray needs no Ray."""

from __future__ import annotations

import pytest

from gan_aug.compute.cluster_resources import places
from gan_aug.config import parse
from gan_aug.errors import ConfigError

NODE = {"CPU": 8.0, "GPU": 2.0, "memory": 1e10}


@pytest.mark.parametrize(
    ("needs", "count"),
    [
        ({"CPU": 1.0}, 8),
        ({"CPU": 3.0}, 2),
        ({"CPU": 1.0, "GPU": 0.25}, 8),
        ({"CPU": 1.0, "GPU": 1.0}, 2),
        ({"GPU": 4.0}, 0),
        ({"TPU": 1.0}, 0),
        ({}, 8),
    ],
)
def test_a_node_holds_as_many_workers_as_its_scarcest_resource(needs: dict[str, float], count: int) -> None:
    assert places(NODE, needs) == count


def test_shares_above_one_are_whole() -> None:
    with pytest.raises(ConfigError, match=r"compute.gpus_per_worker: .* a whole number above 1 \(got 1.5\)"):
        parse({"data": {"source": "digits"}, "compute": {"gpus_per_worker": 1.5}}, "a test")
    config = parse({"data": {"source": "digits"}, "compute": {"gpus_per_worker": 0.25, "cpus_per_worker": 2}}, "a test")
    assert config.compute.gpus_per_worker == 0.25
