"""Event streams: whole lines alone, each once, from where the last one was seen."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug_service.database.tables import JobState
from gan_aug_service.queue import event_stream
from gan_aug_service.queue.event_stream import JobView, read_lines, stream_events
from tests.support.service.service_samples import Service


def lines_of(count: int) -> list[str]:
    return [
        json.dumps({"stage": "train", "kind": "progress", "done": k, "message": "é" * (k % 7)}) for k in range(count)
    ]


@given(st.integers(0, 40), st.integers(0, 5000), st.integers(20, 300))
def test_from_any_place_the_whole_lines_after_it_come_once(
    tmp_path_factory, count: int, position: int, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    lines = lines_of(count)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(content + b'{"torn')
    position = min(position, len(content))
    ends = [len("".join(f"{line}\n" for line in lines[: k + 1]).encode()) for k in range(count)]
    expected = [(end, line) for end, line in zip(ends, lines, strict=True) if end - len(line.encode()) - 1 >= position]
    found, before = [], -1
    event_stream.CHUNK, kept = chunk, event_stream.CHUNK
    try:
        while before != position:
            before = position
            more, position = read_lines(path, position, None)
            found += more
    finally:
        event_stream.CHUNK = kept
    assert found == expected


def test_nothing_past_the_end_of_the_job_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, second = lines_of(2)
    path.write_text(f"{first}\n{second}\n")
    end = len(first) + 1
    assert read_lines(path, 0, end) == ([(end, first)], end)
    assert read_lines(path, end, end) == ([], end)
    assert read_lines(tmp_path / "none", 0, None) == ([], 0)


async def told(path: Path, view: JobView, last: int | None, wait: bool = True) -> str:
    return b"".join([part async for part in stream_events(path, lambda: view, last, lambda: False, wait=wait)]).decode()


def test_a_stream_goes_on_after_the_last_id(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines_of(3)))
    view = JobView(JobState.DONE, 0, path.stat().st_size)
    whole = asyncio.run(told(path, view, None))
    ids = [int(line[4:]) for line in whole.splitlines() if line.startswith("id: ")]
    assert len(ids) == 3
    rest = asyncio.run(told(path, view, ids[0]))
    assert rest == whole[: whole.index("id: ")] + whole[whole.index(f"id: {ids[1]}\n") :]
    assert asyncio.run(told(path, view, ids[-1])).count("id: ") == 0
    assert asyncio.run(told(path, view, 10**18)).endswith('{"state": "done"}\n\n')
    assert asyncio.run(told(path, JobView(JobState.DONE, ids[1], ids[2]), None)).count("id: ") == 1


def test_places_are_not_told_and_torn_lines_are_notes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        f'{{"kind": "finish", "message": "report in {tmp_path}/report.html"}}\nkind: [1\n{{"kind": "x\\ny"}}\n'
    )
    said = asyncio.run(told(path, JobView(JobState.DONE, 0, path.stat().st_size), None))
    assert '"report in report.html"' in said
    assert str(tmp_path) not in said
    assert said.count("event: note") == 2


def test_events_come_as_they_happen_and_a_closing_service_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(event_stream, "QUIET_SECONDS", 0.05)
    path, closing = tmp_path / "events.jsonl", threading.Event()

    async def watch() -> list[str]:
        said = []
        view = JobView(JobState.RUNNING, 0, None)
        async for part in stream_events(path, lambda: view, None, closing.is_set, wait=True):
            said.append(part.decode())
            if "state" in said[-1]:
                path.write_text(f"{lines_of(1)[0]}\n")
            if ": nothing new" in said[-1]:
                closing.set()
        return said

    said = asyncio.run(asyncio.wait_for(watch(), 60))
    assert [part.split(":")[0] for part in said] == ["retry", "event", "id", ""]


def test_a_stream_over_http(service: Service, whole_run: Path) -> None:
    run = service.place(whole_run)
    answer = service.call("GET", f"/v1/jobs/{run}/events", "viewer")
    assert answer.headers["content-type"].startswith("text/event-stream")
    ids = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]
    assert len(ids) == len((whole_run / "events.jsonl").read_text().splitlines())
    again = service.call("GET", f"/v1/jobs/{run}/events", headers={"Last-Event-ID": ids[-2]})
    assert [line[4:] for line in again.text.splitlines() if line.startswith("id: ")] == ids[-1:]
    for odd in ("x", "-1", "9" * 30, "²"):
        whole = service.call("GET", f"/v1/jobs/{run}/events", headers={"Last-Event-ID": odd.encode()})
        assert whole.text == answer.text


def test_a_stream_ends_for_who_may_no_longer_follow(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{lines_of(1)[0]}\n")
    views = iter([JobView(JobState.RUNNING, 0, None)] * 2)
    said = asyncio.run(
        asyncio.wait_for(collected(stream_events(path, lambda: next(views, None), None, bool, wait=True)), 60)
    )
    assert [part.split(":")[0] for part in said] == ["retry", "id", "event"]


async def collected(parts: AsyncIterator[bytes]) -> list[str]:
    return [part.decode() async for part in parts]


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_revoked_key_and_an_ended_session_follow_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, signed_in: bool
) -> None:
    job, looks = service.submit()["id"], []

    def watched(path: Path, look: Callable[[], JobView | None], *rest: Any, wait: bool) -> AsyncIterator[bytes]:
        looks.append(look)
        return stream_events(path, look, *rest, wait=wait)

    monkeypatch.setattr("gan_aug_service.routes.jobs.stream_events", watched)
    if signed_in:
        token = service.client.post("/v1/session", json={"key": service.keys["viewer"]}).json()["csrf_token"]
    events = f"/v1/jobs/{job}/events?wait=false"
    assert service.call("GET", events, None if signed_in else "viewer").status_code == 200
    (look,) = looks
    assert look() is not None
    if signed_in:
        service.call("DELETE", "/v1/session", None, headers={"X-CSRF-Token": token}).raise_for_status()
    else:
        service.call("DELETE", f"/v1/keys/{service.key_ids['viewer']}", "admin").raise_for_status()
    assert look() is None


def test_one_key_cannot_hold_all_streams(service: Service) -> None:
    job = service.submit()
    object.__setattr__(service.settings.limits, "streams", 1)
    service.components.streams[service.key_ids["viewer"]] = {object()}
    assert service.call("GET", f"/v1/jobs/{job['id']}/events", "viewer").status_code == 429
    assert service.call("GET", f"/v1/jobs/{job['id']}/events?wait=false", "editor").status_code == 200
    assert service.components.streams[service.key_ids["editor"]] == set()
