from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from gan_aug.errors import RunConflict, StorageError
from gan_aug.run.events import Event
from gan_aug.run.files import atomic_file, file_sha256, json_sha256, write_json, write_text
from gan_aug.run.folder import RunDir


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with pytest.raises(KeyError), atomic_file(path) as file:
        file.write(b"half")
        raise KeyError
    assert not list(path.parent.iterdir())
    write_text(path, "whole")
    with pytest.raises(KeyError), atomic_file(path) as file:
        raise KeyError
    assert path.read_text() == "whole"


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")]
)
def test_a_disk_that_refuses_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=said):
        write_text(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="there is a file where a folder should be"):
        RunDir(tmp_path / "taken")


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", float("nan"))


def test_sums_are_those_of_the_bytes_and_of_the_meaning(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert json_sha256({"a": 1, "b": [2]}) == json_sha256({"b": [2], "a": 1})


def test_what_killed_writers_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    (tmp_path / "train" / ".0000.tmp").mkdir(parents=True)
    (tmp_path / "train" / ".0000.tmp" / "half").touch()
    (tmp_path / ".file.123.tmp").touch()
    with run.locked():
        assert sorted(path.name for path in tmp_path.rglob("*")) == [".lock", "train"]


def test_a_torn_event_line_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"time": 1')
    RunDir(tmp_path).emit("train", "start")
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[1])["kind"] == "start"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with RunDir(tmp_path).locked(), pytest.raises(RunConflict, match="another process"), RunDir(tmp_path).locked():
        pass
    with RunDir(tmp_path).locked():
        pass


def test_a_mark_or_a_call_cancels_and_the_next_start_clears_it(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert not run.cancelled()
    (tmp_path / "cancel").touch()
    assert run.cancelled()
    with run.locked():
        assert not run.cancelled()
        run.stop()
        assert run.cancelled()


def test_events_are_kept_and_heard(tmp_path: Path) -> None:
    heard: list[Event] = []
    run = RunDir(tmp_path, (heard.append,))
    run.emit("train", "progress", done=5, total=10, unit="images", values={"loss_d": 1.5})
    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record.pop("time") > 0
    assert record == {
        "stage": "train", "kind": "progress", "done": 5, "total": 10, "unit": "images", "values": {"loss_d": 1.5},
    }  # fmt: skip
    assert heard[0].done == 5


def test_a_folder_without_a_request_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunConflict, match=r"not a run folder \(no request.json\)"):
        RunDir.existing(tmp_path)


def test_who_listens_hears_each_event_once_also_those_of_a_copy(tmp_path: Path) -> None:
    heard: list[Event] = []
    run = RunDir(tmp_path, (heard.append,))
    run.emit("train", "start")
    copy_of, arguments = run.__reduce__()
    other = copy_of(*arguments)
    other.emit("train", "progress", done=1, total=2, values={"ranks": 2})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"stage": "train", "ki\n{"stage": "tr')  # torn by a death, and one under way
    run.relay()
    run.relay()
    assert [event.kind for event in heard] == ["start", "progress"]
    assert heard[1].values == {"ranks": 2}
