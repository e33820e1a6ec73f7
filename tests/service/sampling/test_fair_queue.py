"""Images on demand for many: callers take turns, none waits for more than its share, and nobody's are not made."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_aug.synthesis.latents import Latent
from gan_aug.synthesis.sampler import BLOCK
from gan_aug_service.http.problems import Problem
from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.sampling.fair_queue import RoundRobinQueue, SampleRequest
from gan_aug_service.settings import Limits
from tests.support.service.service_samples import Service, alone

ROWS = np.eye(10, dtype=np.float32)


def test_one_image_does_not_wait_for_all_that_another_caller_asked_for(
    whole_run: Path, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    blocks: list[list[tuple[SampleRequest, int]]] = []

    async def ask() -> tuple[Any, Any]:
        samplers = Samplers(lambda images, blocks: passes.append(images))
        batcher = await samplers.get(whole_run)
        make_block, both_wait = batcher._make_block, asyncio.Event()

        async def held(block: list[tuple[SampleRequest, int]]) -> None:
            blocks.append(block)
            if len(blocks) == 3:
                await both_wait.wait()
            await make_block(block)

        batcher._make_block = held  # type: ignore[method-assign]
        greedy = [
            asyncio.create_task(batcher.sample(np.tile(ROWS[1], (256, 1)), 5, 256 * k, client="greedy"))
            for k in range(4)
        ]
        while len(blocks) < 3:
            await asyncio.sleep(0.001)
        other = asyncio.create_task(batcher.sample(ROWS[3:4], 7, 0, client="other"))
        while "other" not in batcher._queue._queues:
            await asyncio.sleep(0.001)
        both_wait.set()
        one, *made = await asyncio.gather(other, *greedy)
        samplers.close()
        return one, made

    one, made = asyncio.run(ask())
    turn = next(turn for turn, block in enumerate(blocks) if any(asked.labels[0][3] for asked, _ in block))
    assert turn in (3, 4)  # of the blocks from 0; the one at 2 was taken before the other caller came
    assert sum(passes) == 4 * 256 + 1
    assert np.array_equal(one, alone(whole_run, 3, 7, 0, 1))
    assert np.array_equal(np.concatenate(made), alone(whole_run, 1, 5, 0, 1024))


def test_a_caller_waits_for_so_many_images_and_another_is_not_refused(whole_run: Path) -> None:
    async def ask() -> list[Any]:
        samplers = Samplers(lambda images, blocks: None, 100)
        batcher = await samplers.get(whole_run)
        many = [batcher.sample(np.tile(ROWS[1], (60, 1)), k, 0, client="greedy") for k in range(2)]
        made = await asyncio.gather(
            *many,
            batcher.make([Latent(tuple(ROWS[1].tolist()), 1, k) for k in range(64)], client="greedy"),
            batcher.sample(ROWS[:1], 0, 0, client="other"),
            return_exceptions=True,
        )
        again = await batcher.sample(np.tile(ROWS[1], (60, 1)), 3, 0, client="greedy")
        samplers.close()
        return [*made, again]

    first, second, points, other, again = asyncio.run(ask())
    assert (len(first), len(other), len(again)) == (60, 1, 60)
    for refused in (second, points):
        assert isinstance(refused, Problem)
        assert (refused.status_code, refused.headers) == (429, {"Retry-After": "1"})
        assert "waits for 60 of 100 images" in str(refused.detail)


class TestRoute:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(images=8, rate=1e6, burst=10**6)

    def test_a_key_that_waits_for_too_many_images_is_told_when_to_ask_again(
        self, service: Service, whole_run: Path
    ) -> None:
        path = f"/v1/models/{service.place(whole_run)}/sample"
        answer = service.call("POST", path, json={"label": "3", "count": 9})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert service.call("POST", path, json={"label": "3", "count": 8}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models/{run}/sample", "/models/{run}/way.png?label=3&frames=64"])
def test_images_of_a_client_that_has_gone_are_not_made(service: Service, whole_run: Path, path: str) -> None:
    run = service.place(whole_run)
    made: list[int] = []
    service.components.samplers._count = lambda images, passes: made.append(images)
    plain, _, query = path.format(run=run).partition("?")
    body = b"" if query else json.dumps({"label": "3", "count": 256}).encode()
    headers = [(b"authorization", f"Bearer {service.keys['viewer']}".encode()), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {
        "type": "http", "method": "GET" if query else "POST", "path": plain, "raw_path": plain.encode(),
        "query_string": query.encode(), "scheme": "http", "server": ("testserver", 80), "client": ("1.2.3.4", 5),
        "headers": headers, "http_version": "1.1",
    }  # fmt: skip
    statuses: list[int] = []

    async def ask() -> None:
        batcher = await service.components.samplers.get(service.settings.runs / run)
        turn = asyncio.Event()
        make_block = batcher._make_block

        async def slow(block: Any) -> None:
            await turn.wait()
            await make_block(block)

        batcher._make_block = slow  # type: ignore[method-assign]
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            while not batcher._task:  # until the images are asked for
                await asyncio.sleep(0.001)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        await service.app(scope, receive, send)
        turn.set()
        while batcher._task:
            await asyncio.sleep(0.001)

    asyncio.run(ask())
    assert statuses[0] == 408
    assert sum(made) <= BLOCK  # those of the pass that was at work


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 200), st.booleans()), max_size=12), st.booleans())
def test_every_image_is_made_once_in_order_and_no_caller_is_passed_over(
    requests: list[tuple[str, int, bool]], together: bool
) -> None:
    async def take() -> None:
        turns, wanted = RoundRobinQueue(), []
        for client, count, given_up in requests:
            asked = SampleRequest(np.zeros((count, 1), np.float32), np.zeros((count, 1), np.float32), asyncio.Future())
            turns.add(client, asked)
            wanted.append((client, asked))
            if given_up:
                asked.images.cancel()
        living = {id(asked): client for client, asked in wanted if not asked.images.cancelled()}
        rows: dict[int, list[int]] = {key: [] for key in living}
        while block := turns.take(BLOCK, together=together):
            assert len(block) <= BLOCK
            assert together or len({id(asked) for asked, _ in block}) == 1
            waiting = {living[key] for key, done in rows.items() if len(done) < _length(wanted, key)}
            taken = {living[id(asked)] for asked, _ in block}
            assert not together or taken == waiting
            for asked, row in block:
                rows[id(asked)].append(row)
        assert all(done == list(range(_length(wanted, key))) for key, done in rows.items())

    asyncio.run(take())


def _length(wanted: list[tuple[str, SampleRequest]], key: int) -> int:
    return next(len(asked.noise) for _, asked in wanted if id(asked) == key)
