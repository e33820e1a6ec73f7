from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.errors import Cancelled, ComputeError, DataError, LeakageError
from tests.support.places import ROOT
from tests.support.work_samples import add, die, fail, leak, seen, ten, wait


@pytest.mark.parametrize("workers", [1, 2])
def test_items_come_back_with_their_index(workers: int) -> None:
    executor = LocalExecutor(workers)
    assert sorted(executor.map(add, [3, 1, 2])) == [(0, 3), (1, 1), (2, 2)]
    assert sorted(executor.map(add, [3, 1, 2], setup=ten)) == [(0, 13), (1, 11), (2, 12)]
    assert list(executor.map(add, [])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_ours_comes_back_as_itself(workers: int) -> None:
    with pytest.raises(DataError, match="is bad: take another"):
        list(LocalExecutor(workers).map(fail, [1, 2]))


@pytest.mark.parametrize("workers", [1, 2])
def test_cancel_ends_it(workers: int) -> None:
    began = time.monotonic()
    with pytest.raises(Cancelled):
        list(LocalExecutor(workers).map(partial(wait), [1, 2], cancelled=lambda: True))
    assert time.monotonic() - began < 300


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_setup_comes_back_as_itself(workers: int) -> None:
    with pytest.raises(LeakageError, match="seen in training"):
        list(LocalExecutor(workers).map(add, [1, 2, 3], setup=leak))


def test_a_worker_that_dies_is_one_sentence() -> None:
    with pytest.raises(ComputeError, match="a worker process died"):
        list(LocalExecutor(2).map(die, [1, 2]))


def test_processes_are_kept_from_one_map_to_the_next_but_not_what_a_setup_built() -> None:
    with LocalExecutor(2) as executor:
        first = {process for _, (process, _) in executor.map(seen, range(8), setup=ten)}
        for setup, state in ((None, None), (ten, 10)):
            made = [value for _, value in executor.map(seen, range(8), setup=setup)]
            assert {process for process, _ in made} <= first
            assert {found for _, found in made} == {state}
        assert os.getpid() not in first
    assert not any(alive(process) for process in first)


def test_a_kept_process_that_died_costs_nothing() -> None:
    with LocalExecutor(2) as executor:
        first = {process for _, (process, _) in executor.map(seen, range(8))}
        for process in first:
            os.kill(process, signal.SIGKILL)
        assert executor._idle
        for child in (executor._idle._processes or {}).values():
            child.join()
        assert {process for _, (process, _) in executor.map(seen, range(8))}.isdisjoint(first)


@pytest.mark.parametrize("ends", ["error", "stop", "left"])
def test_a_map_that_ends_early_ends_its_processes(ends: str) -> None:
    with LocalExecutor(2) as executor:
        list(executor.map(seen, range(2)))
        if ends == "error":
            with pytest.raises(DataError):
                list(executor.map(fail, [1, 2]))
        elif ends == "stop":
            with pytest.raises(Cancelled):
                list(executor.map(seen, range(2), cancelled=lambda: True))
        else:
            unfinished = executor.map(seen, range(8))
            next(unfinished)
            unfinished.close()  # type: ignore[attr-defined]
        assert executor._idle is None
        assert len(list(executor.map(seen, range(3)))) == 3


def alive(process: int) -> bool:
    """Whether a process is there; its parent, this process, has waited for it if it ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_do_not_outlive_a_killed_parent() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.support.work_samples import wait;"
        "from gan_aug.compute.local.executor import LocalExecutor; print('up', flush=True);"
        "list(LocalExecutor(2).map(wait, [1, 2]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(ROOT)], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    deadline = time.monotonic() + 120
    while len(group(parent.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(group(parent.pid)) >= 3
    time.sleep(2)  # the children import this module before their watch begins
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 120
    while group(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group(parent.pid)


def group(pid: int) -> list[str]:
    """The processes of the parent's own session that are alive."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(pid)], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.splitlines() if " Z" not in line]
