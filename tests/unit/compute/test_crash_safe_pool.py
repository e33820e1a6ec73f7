"""A pool that loses processes, not results."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gan_aug.compute.local import crash_safe_pool
from gan_aug.compute.local.crash_safe_pool import READY, CrashSafePool, Lost
from gan_aug.errors import Cancelled, ComputeError


@dataclass(frozen=True)
class Marks:
    """Says in a file that it was begun, and hangs."""

    path: Path


class SlowToImport:
    """Takes a while to come out of the pipe, as what needs large packages does."""

    def __reduce__(self) -> tuple[object, ...]:
        return wake, (4,)


def wake(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def never_begin(connection: Connection, left: object) -> None:
    """Stands for a worker that hangs in an import."""
    connection.send(READY)
    time.sleep(600)


def behave(item: object) -> object:
    """Do what the item says."""
    if isinstance(item, Marks):
        with item.path.open("a") as file:
            file.write("begun ")
        time.sleep(600)
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "hang":
        time.sleep(600)
    if item == "fail":
        raise OSError("of ours")
    if isinstance(item, Path) and not item.exists():
        item.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.fixture(scope="module")
def pool() -> Iterator[CrashSafePool]:
    with CrashSafePool(2, limit=15) as pool:
        yield pool


def test_results_come_in_order_and_the_same_processes_serve_again(pool: CrashSafePool) -> None:
    assert list(pool.map(behave, range(100), chunk=7)) == list(range(100))
    assert list(pool.map(behave, ["a"], chunk=7)) == ["a"]
    assert list(pool.map(behave, [])) == []


def test_what_kills_or_hangs_is_lost_alone(pool: CrashSafePool) -> None:
    items: list[object] = [*range(40)]
    items[3], items[20], items[21] = "die", "hang", "die"
    expected: list[object] = [*range(40)]
    expected[3], expected[20], expected[21] = Lost("died"), Lost("slow"), Lost("died")
    assert list(pool.map(behave, items, chunk=8)) == expected


def test_what_takes_too_long_costs_its_limit_once(tmp_path: Path) -> None:
    items = [*range(5), Marks(tmp_path / "begun"), *range(6, 20)]
    with CrashSafePool(1, limit=10) as pool:
        results = list(pool.map(behave, items, chunk=20))
    assert results == [*range(5), Lost("slow"), *range(6, 20)]
    assert (tmp_path / "begun").read_text() == "begun "


def test_a_process_that_died_for_another_reason_costs_nothing(pool: CrashSafePool, tmp_path: Path) -> None:
    items = [1, tmp_path / "seen", 3]
    assert list(pool.map(behave, items)) == items


def test_a_consumer_that_takes_its_time_makes_nobody_slow() -> None:
    with CrashSafePool(1, limit=2) as pool:
        results = pool.map(behave, range(4), chunk=2)
        assert next(results) == 0
        time.sleep(4)
        assert list(results) == [1, 2, 3]


def test_what_an_import_takes_is_not_held_against_an_item() -> None:
    with CrashSafePool(1, limit=2) as pool:
        assert list(pool.map(behave, [SlowToImport(), "b"])) == ["awake", "b"]


def test_processes_that_never_begin_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_safe_pool, "START_SECONDS", 0.1)
    monkeypatch.setattr(crash_safe_pool, "_worker_main", never_begin)
    with CrashSafePool(1, limit=60) as pool, pytest.raises(ComputeError, match="end or hang before they begin"):
        list(pool.map(behave, [1]))


def test_an_error_comes_back_as_itself(pool: CrashSafePool) -> None:
    with CrashSafePool(1, limit=60) as own, pytest.raises(OSError, match="of ours"):
        list(own.map(behave, ["fail"]))


def test_cancel_ends_it_while_it_waits() -> None:
    with CrashSafePool(1, limit=60) as pool, pytest.raises(Cancelled):
        list(pool.map(behave, ["hang"], cancelled=lambda: True))


def test_work_under_way_is_bounded() -> None:
    with CrashSafePool(1, limit=60) as pool:
        seen: list[int] = []

        class Watched(list[int]):
            def __getitem__(self, place: int) -> int:  # type: ignore[override]
                seen.append(place)
                return place

        results = pool.map(behave, Watched(range(1000)), chunk=2)
        assert next(results) == 0
        assert max(seen) < 16


def test_processes_that_cannot_start_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gan_aug.compute.local.crash_safe_pool._worker_main", int
    )  # ends at once: it takes no connection
    with CrashSafePool(1, limit=60) as pool, pytest.raises(ComputeError, match="end or hang before they begin"):
        list(pool.map(behave, [1]))
