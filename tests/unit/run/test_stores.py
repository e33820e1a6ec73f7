"""A place behaves the same whether it is a folder or a prefix of an object store; faults are told in one sentence."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_aug import config as configs
from gan_aug.errors import ConfigError, StorageError
from gan_aug.run import stores as storage
from gan_aug.run.store_faults import NO_CREDENTIALS, PASSING_NAMES, is_passing, sentence
from gan_aug.run.stores import MissingObject, ObjectStore, Place, below, download, open_store, read_file, to_place


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield tmp_path / "place"
        return
    import fsspec  # noqa: TID251

    yield "memory://place/deep"
    fsspec.filesystem("memory").rm("/place", recursive=True) if fsspec.filesystem("memory").exists("/place") else None


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(lambda parts: "/".join([*parts, "file"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(contents=st.dictionaries(NAMES, st.binary(max_size=40), max_size=4))
def test_what_is_written_is_read_listed_and_deleted(place: Place, contents: dict[str, bytes]) -> None:
    store = open_store(place)
    for name, content in contents.items():
        store.write(name, b"before")
        store.write(name, content)
    assert store.names() == sorted(contents)
    assert {name: store.read(name) for name in contents} == contents
    for name in contents:
        store.delete(name)
    assert store.names() == []


def test_blocks_put_together_are_the_file(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BLOCK", 7)
    content = bytes(range(50))
    (tmp_path / "local").write_bytes(content)
    store = open_store(place)
    store.upload("a/b", tmp_path / "local")
    assert [len(block) for block in store.blocks("a/b")] == [7] * 7 + [1]
    download(store, "a/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content == read_file(below(place, "a/b"))


def test_what_is_not_there_is_missing_and_deleting_it_does_nothing(place: Place, tmp_path: Path) -> None:
    store = open_store(place)
    store.delete("none")
    assert store.names() == []
    for ask in (store.read, store.state, lambda name: list(store.blocks(name))):
        with pytest.raises(MissingObject):
            ask("none")
    with pytest.raises(MissingObject):
        download(store, "none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_places_are_folders_or_urls() -> None:
    assert to_place("/shared/runs") == Path("/shared/runs") == to_place("file:///shared/runs")
    assert to_place("file:///with%20room") == Path("/with room")
    assert to_place("s3://bucket/prefix/") == "s3://bucket/prefix"
    assert below("s3://bucket", "x/y") == "s3://bucket/x/y"


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b", "/shared", "file:///shared", "hdfs://host:8020/x"])
def test_a_storage_is_taken_as_it_is(url: str) -> None:
    assert configs.parse({"data": {"source": "digits"}, "compute": {"storage": url}}, "a test").compute.storage == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://KEY:SECRET@bucket/x", "give credentials in the environment"),
        ("s3://KEY:SEC/RET@bucket/x", "give credentials in the environment"),
        ("s3://KEY:SECRET/bucket", "write s3://bucket/prefix"),
        ("az://c/x?sig=SECRET", "would be recorded"),
        ("https://host/bucket", "AWS_ENDPOINT_URL"),
        ("runs/shared", "the absolute path of a folder"),
        ("s3://", "write s3://bucket/prefix"),
        ("file://shared/x", "the absolute path of a folder"),
        ("simplecache::s3://bucket/x", "would be recorded"),
    ],
)
def test_a_storage_that_would_be_recorded_with_a_secret_or_is_no_place_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        configs.parse({"data": {"source": "digits"}, "compute": {"storage": url}}, "a test")
    assert "SEC" not in str(caught.value)


def test_storage_is_no_part_of_a_stage() -> None:
    one, other = (
        configs.parse({"data": {"source": "digits"}, "compute": {"storage": url}}, "a test")
        for url in (None, "s3://bucket/x")
    )
    for name in ("dataset_request", "train_request", "synthesis_wanted", "compare_request", "curve_request"):
        assert getattr(one, name) == getattr(other, name)


def test_an_unknown_scheme_or_a_package_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the scheme nosuch:// is unknown: use s3://"):
        open_store("nosuch://bucket/x")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'gan-aug\[s3\]'"):
        open_store("s3://bucket/x")


class Failing:
    """A file system whose calls fail with `errors`, one after the other, and then succeed."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def cat_file(self, path: str) -> bytes:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return path.encode()


def store_of(files: Failing, monkeypatch: pytest.MonkeyPatch) -> tuple[ObjectStore, list[float]]:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(storage, "_file_system", lambda _: (files, "root"))
    return ObjectStore("s3://bucket/x"), slept


def refusal(code: str, kind: type[Exception] = OSError, number: int = errno.EINVAL) -> Exception:
    """What s3fs makes of a store's answer: a Python error, caused by botocore's with the code."""
    error = kind(number, "said by the store") if kind is OSError else kind("said by the store")
    error.__cause__ = type("ClientError", (Exception,), {"response": {"Error": {"Code": code}}})()
    return error


PASSING: list[Exception] = [
    refusal("503", number=errno.EBUSY),
    refusal("InternalError", number=errno.EREMOTEIO),
    TimeoutError("slow"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    type("EndpointConnectionError", (type("ConnectionError", (Exception,), {}),), {})("no route"),
]


def test_what_may_pass_is_tried_again_with_growing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    store, slept = store_of(Failing(*PASSING), monkeypatch)
    assert store.read("a") == b"root/a"
    assert len(slept) == len(PASSING) == len(storage.WAITS)
    assert all(wait / 2 <= took <= wait for wait, took in zip(storage.WAITS, slept, strict=True))


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_does_not_pass_in_time_ends_in_one_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Failing(*[error] * 99)
    store, _ = store_of(files, monkeypatch)
    with pytest.raises(
        StorageError, match=r"^cannot use s3://bucket/x/a: it did not answer in 6 tries \(.*, and resume$"
    ):
        store.read("a")
    assert files.calls == len(storage.WAITS) + 1


@pytest.mark.parametrize("verb", ["read", "write"])
@pytest.mark.s3
def test_a_server_that_takes_the_call_and_never_answers_is_given_up(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'gan-aug[s3]'")
    config = {**storage.S3_OPTIONS["config_kwargs"], "read_timeout": 1}
    monkeypatch.setitem(storage.S3_OPTIONS, "config_kwargs", config)
    monkeypatch.setattr(storage, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr(storage, "WAITS", (0.01,))
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(9)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()
        store = open_store("s3://bucket/x")
        with pytest.raises(StorageError, match="did not answer in 2 tries"):
            store.write("a", b"1") if verb == "write" else store.read("a")
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal("NoSuchBucket", FileNotFoundError), "there is no such bucket: create it"),
        (refusal("AccessDenied", PermissionError), "access is denied: these credentials need to"),
        (refusal("InvalidAccessKeyId", PermissionError), r"not accept these credentials \(InvalidAccessKeyId\)"),
        (refusal("XMinioStorageFull", OSError, errno.EIO), "the store is full: free some space"),
        (OSError(errno.ENOSPC, "full"), "the store is full: free some space"),
        (type("NoCredentialsError", (Exception,), {})(), "no usable credentials were found"),
        (NotImplementedError(), "this kind of store cannot be written"),
        (refusal("InvalidBucketName"), r"the store refuses \(InvalidBucketName\)"),
    ],
)
def test_what_cannot_pass_is_said_at_once(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Failing(error)
    store, slept = store_of(files, monkeypatch)
    with pytest.raises(StorageError, match=said) as caught:
        store.read("a")
    assert (files.calls, slept) == (1, [])
    assert "said by the store" not in str(caught.value)  # a store's own words may quote a key


def test_the_names_of_botocores_errors_are_its_own() -> None:
    exceptions: Any = pytest.importorskip("botocore.exceptions")
    for name in ("ConnectionError", "HTTPClientError", "ResponseStreamingError"):
        assert name in PASSING_NAMES
        assert hasattr(exceptions, name)
    for name in NO_CREDENTIALS - {"DefaultCredentialsError"}:
        assert hasattr(exceptions, name), name
    for kind in (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
        assert is_passing(kind(endpoint_url="http://host"))
    assert "did not answer" in sentence("s3://b", exceptions.ConnectionClosedError(endpoint_url="http://host"), 6)
