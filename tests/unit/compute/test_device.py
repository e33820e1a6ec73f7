"""Which GPU a process chooses, and how many processes there are, on machines whose GPUs are made up."""

from __future__ import annotations

import pytest
import torch

from gan_aug.compute import device
from gan_aug.compute.cores import cores
from gan_aug.compute.device import beside, choose_device, gpus, number_process, workers_for
from gan_aug.compute.local.executor import LocalExecutor
from tests.support.work_samples import own_number


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The GPUs that are chosen, of four."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(device, "_own", None)
    return chosen


def test_without_a_gpu_there_is_a_process_for_each_core() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for name in ("cpu", "auto"):
        assert (gpus(name), workers_for(name), choose_device(name).type) == (0, cores(), "cpu")
        assert beside(name, 100, None) == cores()


@pytest.mark.usefixtures("four_gpus")
def test_with_gpus_there_is_a_process_for_each() -> None:
    assert [workers_for(name) for name in ("auto", "cuda", "cpu")] == [4, 4, cores()]
    assert LocalExecutor(device="auto").workers == 4
    assert LocalExecutor(3, "auto").workers == 3
    assert LocalExecutor().workers == cores()
    shared = [beside("auto", jobs, workers) for jobs, workers in ((1, None), (3, None), (9, None), (9, 8), (5, 8))]
    assert shared == [1, 1, 1, 2, 2]


def test_the_processes_of_a_pool_take_them_in_turn(four_gpus: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("auto").type == "cuda"
    assert four_gpus == [], "a process of its own has the one that is PyTorch's current one"
    for number in range(6):
        monkeypatch.setattr(device, "_own", None)
        number_process(number)
        assert choose_device("cuda") == torch.device("cuda")
        assert choose_device("cpu") == torch.device("cpu")
    assert four_gpus == [0, 1, 2, 3, 0, 1]


def test_each_process_of_a_pool_has_a_number_of_its_own() -> None:
    with LocalExecutor(2) as executor:
        found = {number for _, number in executor.map(own_number, range(2))}
    assert found <= {0, 1}
    assert found
