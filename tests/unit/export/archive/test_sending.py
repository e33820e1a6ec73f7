"""Sending to an archive that fails as asked: what is tried again, what is named, and what the record says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gan_aug.config.export import ArchiveExport
from gan_aug.errors import ConfigError, StorageError
from gan_aug.export.archive import sending
from gan_aug.export.archive.record import SentRecord, open_record
from gan_aug.export.archive.sending import Answer, Delivery, Instance, Unconnected, Unreached, deliver

WHAT = {"to": "stow", "set": "a"}


class Archive:
    """Holds what arrived, and counts how often each file was sent."""

    def __init__(self, fault: Callable[[Archive, Instance], Answer | None] = lambda *_: Answer()) -> None:
        self.fault = fault
        self.sent: dict[str, int] = {}
        self.open = 0
        self.most = 0
        self.room = 100
        self.lock = threading.Lock()

    def connect(self) -> Line:
        return Line(self)


class Line:
    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.joined = False

    def send(self, batch: Sequence[Instance]) -> Mapping[str, Answer]:
        archive, answers = self.archive, {}
        with archive.lock:
            if not self.joined and archive.open == archive.room:
                raise Unconnected("it takes no further association now")
            archive.open += not self.joined
            self.joined = True
            archive.most = max(archive.most, archive.open)
            for one in batch:
                archive.sent[one.uid] = archive.sent.get(one.uid, 0) + 1
                answer = archive.fault(archive, one)
                if answer is not None:
                    answers[one.uid] = answer
        if not answers:
            raise Unreached("the archive at x cannot be reached")
        return answers

    def close(self) -> None:
        with self.archive.lock:
            self.archive.open -= self.joined
        self.joined = False


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(sending, "LONGEST_PAUSE", 0.002)


def instances(count: int, first: int = 0) -> list[Instance]:
    return [Instance(f"2.25.{k}", k, bytes(10)) for k in range(first, count)]


def delivered(archive: Archive, path: Path, count: int = 100, **options: object) -> Delivery:
    wanted = ArchiveExport.model_validate({"batch": 7, "connections": 4, "retries": 2} | options)
    with open_record(path, WHAT) as record:
        left = [one for one in instances(count) if one.uid not in record.arrived]
        return deliver(left, archive.connect, wanted, record, lambda _: None)


def arrived(path: Path) -> set[str]:
    with open_record(path, WHAT) as record:
        return record.arrived


def test_each_file_is_sent_once_and_recorded(tmp_path: Path) -> None:
    archive = Archive()
    assert delivered(archive, tmp_path / "record") == Delivery(100, {})
    assert set(archive.sent.values()) == {1}
    assert archive.most <= 4
    assert archive.open == 0
    assert len(arrived(tmp_path / "record")) == 100
    assert delivered(archive, tmp_path / "record") == Delivery(0, {})


def test_what_fails_in_passing_is_tried_again_and_nothing_else(tmp_path: Path) -> None:
    def fault(archive: Archive, one: Instance) -> Answer | None:
        if one.first % 10 == 3 and archive.sent[one.uid] < 3:
            return Answer("out of resources", passing=True)
        return None if one.first % 10 == 4 and archive.sent[one.uid] < 2 else Answer()

    archive = Archive(fault)
    assert delivered(archive, tmp_path / "record") == Delivery(100, {})
    for k in range(100):
        assert archive.sent[f"2.25.{k}"] == {3: 3, 4: 2}.get(k % 10, 1)


def test_what_is_refused_is_named_and_sent_again_at_the_next_start_alone(tmp_path: Path) -> None:
    archive = Archive(lambda _, one: Answer("" if one.first % 50 else "no such class (status 0x0122)"))
    refused = dict.fromkeys((0, 50), "no such class (status 0x0122)")
    assert delivered(archive, tmp_path / "record") == Delivery(98, refused)
    archive.fault = lambda *_: Answer()
    assert delivered(archive, tmp_path / "record") == Delivery(2, {})
    assert sorted(archive.sent.values()) == [1] * 98 + [2] * 2


def test_silence_about_some_is_told(tmp_path: Path) -> None:
    archive = Archive(lambda _, one: None if one.first == 5 else Answer())
    assert delivered(archive, tmp_path / "record").refused == {5: "the archive did not say whether it arrived"}
    assert archive.sent["2.25.5"] == 3


def test_an_archive_that_goes_away_ends_it_and_a_restart_sends_the_rest(tmp_path: Path) -> None:
    archive = Archive(lambda archive, _: None if len(archive.sent) > 50 else Answer())
    with pytest.raises(StorageError, match="the archive at x cannot be reached, tried 3 times: start again"):
        delivered(archive, tmp_path / "record")
    there = arrived(tmp_path / "record")
    assert 40 < len(there) <= 50
    before = dict(archive.sent)
    archive.fault = lambda *_: Answer()
    assert delivered(archive, tmp_path / "record").arrived == 100 - len(there)
    assert all(archive.sent[uid] == before[uid] for uid in there)


def test_a_fault_that_does_not_pass_ends_it_at_once(tmp_path: Path) -> None:
    def fault(archive: Archive, _: Instance) -> Answer | None:
        raise ConfigError("the archive asks for a sign-in")

    archive = Archive(fault)
    with pytest.raises(ConfigError, match="sign-in"):
        delivered(archive, tmp_path / "record", count=10_000)
    assert sum(archive.sent.values()) <= 8


def test_after_many_refusals_the_rest_is_not_tried(tmp_path: Path) -> None:
    archive = Archive(lambda *_: Answer("no"))
    made = []

    def lazily() -> list[Instance]:
        made.append(1)
        return instances(10_000)

    with open_record(tmp_path / "record", WHAT) as record:
        done = deliver(lazily(), archive.connect, ArchiveExport(batch=10, connections=2), record, lambda _: None)
    assert 100 <= len(done.refused) <= 150
    assert len(archive.sent) <= 150


def test_an_archive_with_room_for_two_is_sent_to_over_two(tmp_path: Path) -> None:
    archive = Archive()
    archive.room = 2
    assert delivered(archive, tmp_path / "record", count=300) == Delivery(300, {})
    assert archive.most <= 2
    archive.room = 0
    with pytest.raises(StorageError, match="no further association now, tried 3 times"):
        delivered(archive, tmp_path / "other")


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    options = ArchiveExport(batch=100, max_bytes=35)
    assert [len(batch) for batch in sending._batches(iter(instances(10)), options)] == [3, 3, 3, 1]


def test_the_record_is_of_one_set_and_one_process(tmp_path: Path) -> None:
    with open_record(tmp_path / "record", WHAT) as record:
        record.add([("2.25.1", 1, ""), ("2.25.2", 2, "no")])
        with pytest.raises(StorageError, match="another process"), open_record(tmp_path / "record", WHAT):
            pass
    with (
        pytest.raises(StorageError, match="the record of another set, archive or form"),
        open_record(tmp_path / "record", WHAT | {"set": "b"}),
    ):
        pass
    assert arrived(tmp_path / "record") == {"2.25.1"}


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_was_cut_off_counts_for_nothing(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "record"
    with open_record(path, WHAT) as record:
        record.add([("2.25.1", 1, ""), ("2.25.2", 2, "")])
    path.write_bytes(path.read_bytes()[:-cut])
    with open_record(path, WHAT) as record:
        assert record.arrived == ({"2.25.1", "2.25.2"} if cut == 1 else {"2.25.1"})
        record.add([("2.25.3", 3, "")])
    assert arrived(path) >= {"2.25.1", "2.25.3"}
    assert json.loads(path.read_text().splitlines()[0]) == WHAT


def test_progress_counts_what_arrived(tmp_path: Path) -> None:
    told: list[int] = []
    with open_record(tmp_path / "record", WHAT) as record:
        assert isinstance(record, SentRecord)
        deliver(instances(30), Archive().connect, ArchiveExport(batch=10, connections=1), record, told.append)
    assert told == [10, 20, 30]
