"""Kill -9 of the service, of its jobs and of both, at random moments; every job must end as it was meant to.

All the while files are downloaded: what arrives must be whole, and what breaks must be seen to break.

    python -m tests.support.service.chaos [ROUNDS] [SEED]

The tests run a few rounds of it. Each round submits jobs that are to be done, to fail or to be cancelled, kills
something, starts the service again where it is gone, and sends the requests that had no answer once more.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.service.downloads import Downloads, place
from tests.support.service.live_service import LiveService
from tests.support.service.service_samples import make_run, until

CONFIG: dict[str, Any] = {"data": {"source": "digits"}, "train": {"images": 60, "batch": 2}}
OPTIONS = ("--jobs", "3", "--attempts", "1000", "--rate", "100000")
MEANT = {
    "done": CONFIG | {"seed": 7},
    "failed": CONFIG | {"seed": 13},
    "cancelled": CONFIG | {"train": {"images": 10**6, "batch": 2}},
}


def chaos(service: LiveService, rounds: int, seed: int, run: Path, database: str | None = None) -> dict[str, int]:
    """Run the rounds; gives how many jobs ended in each state, and how downloads of the finished `run` did.

    Raises AssertionError for a job lost or done twice, and for half a file that was taken for a whole one.
    """
    service.start()
    with Downloads(service, place(service, run, database)) as downloads:
        meant, kills = kill(service, rounds, random.Random(seed), downloads)
        ended = wait(service, meant)
        until(lambda: downloads.seen["whole"] and downloads.seen["reports"])
    service.stop()
    check(service, meant, ended)
    return kills | {state: list(ended.values()).count(state) for state in MEANT} | downloads.seen


def kill(
    service: LiveService, rounds: int, draw: random.Random, downloads: Downloads
) -> tuple[dict[str, str], dict[str, int]]:
    """Submit and kill; gives how each job is meant to end, and how often what was killed."""
    meant: dict[str, str] = {}
    kills: dict[str, int] = {}
    once = f"{draw.random()}"
    for number in range(rounds):
        for state, config in MEANT.items():
            meant[submit(service, f"{once}-{number}-{state}", config)] = state
        downloads.jobs = [job for job, state in meant.items() if state == "done"]
        time.sleep(draw.uniform(0.5, 2))
        what = draw.choice(["service", "job", "both"])
        kills[what] = kills.get(what, 0) + 1
        if what != "service":
            service.kill_jobs()
        if what != "job":
            with downloads.held():
                service.kill()
            time.sleep(draw.uniform(0, 0.5))
            service.start()
    return meant, kills


def submit(service: LiveService, key: str, config: dict[str, Any]) -> str:
    """Queue a job, sending the request twice: the second must not make another."""
    ids = set()
    for _ in range(2):
        answer = service.call("POST", "/v1/jobs/train", json=config, headers={"Idempotency-Key": key})
        assert answer.status_code == 202, answer.text
        ids.add(answer.json()["id"])
    assert len(ids) == 1
    return str(ids.pop())


def wait(service: LiveService, meant: dict[str, str], seconds: float = 1800) -> dict[str, str]:
    """The states of all jobs once they have ended; those that would not end are cancelled."""
    deadline = time.monotonic() + seconds
    states: dict[str, str] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            for job, state in meant.items():
                if states.get(job) not in MEANT:
                    states[job] = service.call("GET", f"/v1/jobs/{job}").json()["state"]
                    if state == "cancelled" and states[job] == "running":
                        service.call("DELETE", f"/v1/jobs/{job}")
        if all(state in MEANT for state in states.values()):
            return states
        time.sleep(0.2)
    raise TimeoutError(f"jobs that did not end: {[job for job, state in states.items() if state not in MEANT]}")


def check(service: LiveService, meant: dict[str, str], ended: dict[str, str]) -> None:
    """Compare how jobs ended with how they were meant to, and look for work that was done twice."""
    assert ended == meant, {job: (ended[job], state) for job, state in meant.items() if ended[job] != state}
    for job, state in meant.items():
        lines = service.state / "runs" / job / "events.jsonl"
        counts, finishes = [], 0
        for line in lines.read_text().splitlines() if lines.exists() else []:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                finishes += event["kind"] == "finish"
                counts += [event["done"]] if event["kind"] == "progress" else []
        assert (finishes > 0) == (state == "done"), (job, state, finishes)
        assert counts == sorted(set(counts)), job  # no step was done twice, as two processes at once would have
        if state == "done":
            assert json.loads((service.state / "runs" / job / "count.json").read_text()) == 60


def main() -> None:
    """Run as a script."""
    given = [int(text) for text in sys.argv[1:]]
    rounds, seed = [*given, *(50, 0)[len(given) :]]
    with tempfile.TemporaryDirectory() as folder, LiveService(Path(folder), *OPTIONS) as service:
        print(chaos(service, rounds, seed, make_run(Path(folder) / "run")))  # noqa: T201 - a script


if __name__ == "__main__":
    main()
