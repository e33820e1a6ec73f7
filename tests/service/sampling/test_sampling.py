"""Sampling on demand: the same bytes alone and in company, and one pass for many."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.errors import CheckpointError
from gan_aug.gan.state import load_generator, newest_checkpoint
from gan_aug.synthesis.sampler import BLOCK
from gan_aug_service.sampling.batcher import Samplers, rows_can_move
from tests.support.service.service_samples import Service, alone


class Counted:
    def __init__(self) -> None:
        self.images = self.blocks = 0

    def __call__(self, images: int, blocks: int) -> None:
        self.images += images
        self.blocks += blocks


def test_images_are_the_same_bytes_whoever_shares_their_pass(
    whole_run: Path, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(work: Any, *arguments: Any) -> Any:
        return work(*arguments)

    # So that all wait before the first pass, also on a busy machine: no request is overtaken on its way to the queue.
    monkeypatch.setattr("gan_aug_service.sampling.batcher.asyncio.to_thread", at_once)
    asked = [(k % 10, k % 3, 5 * k, 1 + k % 7) for k in range(60)] + [(3, 9, 0, 150)]
    counted = Counted()

    async def ask() -> list[Any]:
        samplers = Samplers(counted)
        batcher = await samplers.get(whole_run)
        rows = np.eye(10, dtype=np.float32)
        tasks = [batcher.sample(np.tile(rows[label], (n, 1)), seed, first) for label, seed, first, n in asked]
        made = await asyncio.gather(*tasks)
        samplers.close()
        return made

    for request, images in zip(asked, asyncio.run(ask()), strict=True):
        assert np.array_equal(images, alone(whole_run, *request)), request
    total = sum(count for *_, count in asked)
    assert counted.images == total
    least = -(-total // BLOCK)
    assert counted.blocks == (60 + 3 if not shared else least)


def test_rows_move_where_the_machine_allows_it_and_the_trial_can_tell(whole_run: Path) -> None:
    checkpoint = newest_checkpoint(whole_run / "train" / "checkpoints")
    assert checkpoint
    generator = load_generator(checkpoint)
    assert rows_can_move(generator)

    class Uneven(type(generator)):  # type: ignore[misc]
        def forward(self, noise: Any, labels: Any) -> Any:
            made = super().forward(noise, labels)
            made[5] += 1e-7
            return made

    generator.__class__ = Uneven
    assert not rows_can_move(generator)


def test_a_request_that_is_given_up_does_not_hold_the_others(whole_run: Path) -> None:
    async def ask() -> Any:
        samplers = Samplers(lambda images, blocks: None)
        batcher = await samplers.get(whole_run)
        row = np.eye(10, dtype=np.float32)[:1]
        tasks = [asyncio.create_task(batcher.sample(row, seed, 0)) for seed in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        made = await asyncio.gather(*tasks, return_exceptions=True)
        again = await batcher.sample(row, 1, 0)
        samplers.close()
        return made, again

    made, again = asyncio.run(ask())
    assert isinstance(made[0], asyncio.CancelledError)
    assert np.array_equal(made[1], alone(whole_run, 0, 1, 0, 1))
    assert np.array_equal(made[1], again)


def test_a_fault_reaches_everyone_who_waits_and_the_next_block_is_made(
    whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> Any:
        samplers = Samplers(lambda images, blocks: None)
        batcher = await samplers.get(whole_run)
        row = np.eye(10, dtype=np.float32)[:1]
        generator, batcher.generator = batcher.generator, None  # type: ignore[assignment]
        monkeypatch.setattr(type(batcher), "generator", generator, raising=False)
        del batcher.generator
        monkeypatch.setattr("gan_aug.synthesis.sampler.make_block", _fail)
        faults = await asyncio.gather(*(batcher.sample(row, k, 0) for k in range(3)), return_exceptions=True)
        monkeypatch.undo()
        batcher.generator = generator
        made = await batcher.sample(row, 0, 0)
        samplers.close()
        return faults, made

    faults, made = asyncio.run(ask())
    assert [type(fault) for fault in faults] == [MemoryError] * 3
    assert np.array_equal(made, alone(whole_run, 0, 0, 0, 1))


def _fail(*_: object) -> None:
    raise MemoryError


def test_few_generators_are_kept_and_a_newer_checkpoint_is_seen(
    whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr("gan_aug_service.sampling.batcher.LOADED", 2)
    runs = [Path(shutil.copytree(whole_run, tmp_path / str(k))) for k in range(3)]

    async def ask() -> None:
        samplers = Samplers(lambda images, blocks: None)
        first = await samplers.get(runs[0])
        assert await samplers.get(runs[0]) is first
        for run in runs[1:]:
            await samplers.get(run)
        assert len(samplers._loaded) == 2
        assert await samplers.get(runs[0]) is not first
        folder = runs[0] / "train" / "checkpoints"
        before = (await samplers.get(runs[0])).checkpoint.images
        shutil.rmtree(folder / f"{before:010d}")
        assert (await samplers.get(runs[0])).checkpoint.images < before
        shutil.rmtree(folder)
        with pytest.raises(CheckpointError, match="no whole checkpoint"):
            await samplers.get(runs[0])
        samplers.close()

    asyncio.run(ask())


def test_arrays_on_demand_are_what_the_sampler_makes(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    asked = {"label": "7", "seed": 11, "first": 3, "count": 70, "format": "npz"}
    answer = service.call("POST", f"/v1/models/{run}/sample", "viewer", json=asked)
    arrays = np.load(io.BytesIO(answer.content))
    assert np.array_equal(arrays["images"], alone(whole_run, 7, 11, 3, 70))
    assert (arrays["label"].tolist(), int(arrays["seed"]), int(arrays["first"])) == (["7"], 11, 3)
    assert str(arrays["checkpoint"]) == answer.headers["x-checkpoint"]
