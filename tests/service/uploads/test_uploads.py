"""Bodies and uploads: how large, what a zip may hold, and whose it is."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.settings import Limits
from tests.support.service.service_samples import Service


class TestSizes:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(body=2000, config=1000, upload=3000, unpacked=50_000, files=5, rate=1e6, burst=10**6)

    def test_a_body_that_is_too_large(self, service: Service) -> None:
        for size, status in ((999, 422), (1001, 413), (5000, 413)):
            body = b'{"a":"' + b"x" * (size - 8) + b'"}'
            assert service.call("POST", "/v1/jobs/run", content=body).status_code == status
        assert service.call("POST", "/v1/keys", "admin", content=b" " * 2001).status_code == 413

    def test_a_body_that_declares_no_size(self, service: Service) -> None:
        def endless() -> Iterator[bytes]:
            for _ in range(100):
                yield b" " * 100

        for path, who in (("/v1/jobs/run", "editor"), ("/v1/keys", "admin"), ("/v1/session", None)):
            answer = service.call("POST", path, who, content=endless(), headers={"content-type": "application/json"})
            assert answer.status_code == 413, (path, answer.text)

    def test_an_upload_that_is_too_large(self, service: Service) -> None:
        headers = {"content-type": "application/zip"}
        for content in (b"x" * 3001, iter([b"x" * 1000] * 4)):
            assert service.call("POST", "/v1/uploads", content=content, headers=headers).status_code == 413
        assert left_behind(service) == []

    def test_a_zip_bomb(self, service: Service) -> None:
        bomb = zipped({"a/1.png": b"\0" * 1_000_000})
        assert len(bomb) < 3000
        answer = upload(service, bomb)
        assert answer.status_code == 413
        assert "50,000 bytes" in answer.json()["detail"]
        assert left_behind(service) == []

    def test_a_zip_bomb_that_lies_about_its_size(self, service: Service) -> None:
        bomb = bytearray(zipped({"a/1.png": b"\0" * 1_000_000}))
        for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            bomb[bomb.index(mark) + offset :][:4] = struct.pack("<I", 10)
            place = bomb.index(mark) + offset
            bomb[place : place + 4] = struct.pack("<I", 10)
        assert upload(service, bytes(bomb)).status_code in (413, 422)
        assert left_behind(service) == []

    def test_a_zip_of_many_files(self, service: Service) -> None:
        assert upload(service, zipped({f"a/{k}.png": b"" for k in range(6)})).status_code == 413


def zipped(files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, content)
    return buffer.getvalue()


def upload(service: Service, content: bytes, who: str = "editor") -> Any:
    return service.call("POST", "/v1/uploads", who, content=content, headers={"content-type": "application/zip"})


def left_behind(service: Service) -> list[Path]:
    return list(service.settings.uploads.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a\\..\\evil",
        "C:evil",
        "..",
        "a/\nb",
        "a/\u202egnp.exe",
        "d/" * 20 + "x",
        "x" * 300,
    ],
)
def test_zip_names_that_leave_the_folder(service: Service, tmp_path: Path, name: str) -> None:
    answer = upload(service, zipped({"ok/1.png": b"1", name: b"evil"}))
    assert answer.status_code == 422, answer.text
    assert left_behind(service) == []
    assert not list(tmp_path.rglob("evil*"))


def test_zips_with_links_twins_passwords_or_no_sense(service: Service) -> None:
    def link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    def encrypted(content: bytes) -> bytes:
        changed = bytearray(content)
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            changed[changed.index(mark) + offset] |= 1
        return bytes(changed)

    whole = zipped({"a/1.png": b"1" * 1000})
    for content, said in (
        (zipped({"a/link": b"/etc/passwd"}, link), "no plain file"),
        (zipped({"a/X.png": b"1", "A/x.PNG": b"2"}), "twice"),
        (zipped({"a": b"1", "A/b": b"2"}), "twice"),
        (zipped({"a/b": b"1", "a": b"2"}), "twice"),
        (encrypted(whole), "encrypted"),
        (whole[:-30], "zip"),
        (whole[:50] + b"\xff" + whole[51:], ""),
        (b"no zip", "zip"),
        (b"", "zip"),
        (zipped({}), "no files"),
    ):
        answer = upload(service, content)
        assert answer.status_code == 422, (said, answer.text)
        assert said in answer.json()["detail"]
        assert str(service.settings.state) not in answer.text
    assert left_behind(service) == []
    assert service.call("POST", "/v1/uploads", content=b"", headers={"content-type": "text/plain"}).status_code == 415


def test_an_upload_serves_its_own_project_alone(service: Service) -> None:
    made = upload(service, zipped({"normal/1.png": b"1", "ill/2.png": b"2"})).json()
    assert (made["files"], made["size"], made["root"]) == (2, 2, f"uploads/{made['id']}")
    config = {"data": {"source": "folder", "root": made["root"]}}
    answer = service.call("POST", "/v1/datasets", "stranger", json=config)
    assert (answer.status_code, "there is no upload" in answer.text) == (422, True)
    assert service.call("DELETE", f"/v1/uploads/{made['id']}", "stranger").status_code == 404
    assert service.call("GET", "/v1/uploads", "stranger").json()["items"] == []
    escaping = {"data": {"source": "folder", "root": f"{made['root']}/../{made['id']}"}}
    assert service.call("POST", "/v1/datasets", json=escaping).status_code == 422

    job = service.call("POST", "/v1/datasets", json=config).json()
    assert service.call("DELETE", f"/v1/uploads/{made['id']}").status_code == 409
    service.call("DELETE", f"/v1/jobs/{job['id']}")
    assert service.call("DELETE", f"/v1/uploads/{made['id']}").status_code == 204
    assert left_behind(service) == []


def repeat(service: Service, content: bytes, who: str = "editor") -> Any:
    headers = {"content-type": "application/zip", "Idempotency-Key": "once"}
    return service.call("POST", "/v1/uploads", who, content=content, headers=headers)


def test_an_upload_repeated_with_its_idempotency_key_is_the_same(service: Service) -> None:
    content = zipped({"normal/1.png": b"1"})
    first, again = repeat(service, content), repeat(service, content)
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    other = repeat(service, zipped({"normal/2.png": b"2"}))
    assert (other.status_code, "came with another request before" in other.text) == (422, True)
    assert repeat(service, content, "stranger").json()["id"] != first.json()["id"]
    assert sorted(path.name[:1] for path in left_behind(service)) == ["0", "0"]
    assert service.call("DELETE", f"/v1/uploads/{first.json()['id']}").status_code == 204
    assert repeat(service, content).json()["id"] != first.json()["id"]


def test_repeated_at_the_same_moment_an_upload_is_one(service: Service) -> None:
    from concurrent.futures import ThreadPoolExecutor

    content = zipped({f"normal/{k}.png": b"1" for k in range(20)})
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: repeat(service, content), range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(left_behind(service)) == 1


def test_an_import_repeated_with_its_idempotency_key_is_the_same(service: Service) -> None:
    made = upload(service, zipped({"normal/1.png": b"1", "ill/2.png": b"2"})).json()

    def ask(**more: Any) -> Any:
        config = {"data": {"source": "folder", "root": made["root"]} | more}
        return service.call("POST", "/v1/datasets", json=config, headers={"Idempotency-Key": "import"})

    first, again = ask(), ask()
    assert (first.status_code, again.status_code, first.json()["id"]) == (202, 202, again.json()["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert ask(size=32).status_code == 422
    assert len(service.call("GET", "/v1/jobs").json()["items"]) == 1
