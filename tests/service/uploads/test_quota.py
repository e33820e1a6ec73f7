"""Room for uploads: on the disk, in a project's share, and what a service that was killed leaves of them."""

from __future__ import annotations

import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from gan_aug_service.database.tables import Upload, new_id
from gan_aug_service.settings import Limits
from gan_aug_service.uploads import unpack
from gan_aug_service.uploads.orphans import remove_orphans
from gan_aug_service.uploads.quota import FILE_OVERHEAD
from tests.service.uploads.test_uploads import left_behind, upload, zipped
from tests.support.service.live_service import LiveService
from tests.support.service.service_samples import Service

ONE = zipped({"a/1.png": b"1" * 1000})
TAKEN = 1000 + FILE_OVERHEAD


class TestDisk:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(reserve=10_000, rate=1e6, burst=10**6)

    def free(self, monkeypatch: pytest.MonkeyPatch, *sizes: int) -> None:
        """Let the disk have so many bytes free, look by look; the last stays."""
        found = list(sizes)
        usage = lambda path: SimpleNamespace(free=found.pop(0) if len(found) > 1 else found[0])  # noqa: E731
        monkeypatch.setattr(shutil, "disk_usage", usage)

    def test_a_full_disk_takes_no_upload(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free(monkeypatch, 10_000 + len(ONE) - 1)
        answer = upload(service, ONE)
        assert (answer.status_code, "bytes free" in answer.json()["detail"]) == (507, True)
        assert str(service.settings.state) not in answer.text
        self.free(monkeypatch, 10_000 + len(ONE))
        assert upload(service, ONE).status_code == 201
        assert len(left_behind(service)) == 1

    def test_a_disk_that_fills_meanwhile_ends_an_upload_that_declared_no_length(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unpack, "CHECK_BYTES", 1000)
        headers = {"content-type": "application/zip"}
        self.free(monkeypatch, 10_000, 9_999)
        content = iter([b"x" * 1000] * 10)
        assert service.call("POST", "/v1/uploads", content=content, headers=headers).status_code == 507
        self.free(monkeypatch, 10**6, 10**6, 10**6, 9_999)
        big = zipped({f"a/{k}.png": bytes([k]) * 900 for k in range(9)})
        assert upload(service, big).status_code == 507
        assert left_behind(service) == []


class TestShare:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(uploads=2 * TAKEN, rate=1e6, burst=10**6)

    def test_a_project_has_its_share_and_no_more(self, service: Service) -> None:
        ids = [upload(service, ONE).json()["id"] for _ in range(2)]
        answer = upload(service, ONE)
        assert (answer.status_code, f"{2 * TAKEN:,} bytes" in answer.json()["detail"]) == (507, True)
        assert upload(service, ONE, "stranger").status_code == 201
        assert len(left_behind(service)) == 3
        assert service.call("DELETE", f"/v1/uploads/{ids[0]}").status_code == 204
        assert upload(service, zipped({f"a/{k}.png": b"" for k in range(3)})).status_code == 507
        assert upload(service, ONE).status_code == 201

    def test_two_at_the_same_moment_do_not_both_get_the_last_of_it(self, service: Service) -> None:
        with ThreadPoolExecutor(6) as pool:
            statuses = sorted(pool.map(lambda _: upload(service, ONE).status_code, range(6)))
        assert statuses == [201] * 2 + [507] * 4
        assert len(left_behind(service)) == 2


def test_what_a_killed_service_left_of_uploads_is_removed_and_no_more(service: Service) -> None:
    made, old = upload(service, ONE).json()["id"], "0" * 23 + "1"
    folder, crashed = service.settings.uploads, new_id()
    (folder / f".{crashed}.zip.tmp").write_bytes(ONE)
    for name in (f".{crashed}.tmp", crashed, f".{new_id()}.gone", old, "somebodys", ".hidden"):
        (folder / name).mkdir()
        (folder / name / "1.png").write_bytes(b"1")
    remove_orphans(service.settings, service.components.database)
    assert {path.name for path in folder.iterdir()} == {made, old, "somebodys", ".hidden"}
    assert (folder / made / "a" / "1.png").read_bytes() == b"1" * 1000


@pytest.mark.server
def test_an_upload_that_was_half_removed_is_there_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = upload(service, ONE).json()["id"]
    folder = service.settings.uploads
    (folder / made).rename(folder / f".{made}.gone")
    service.start()
    assert (folder / made / "a" / "1.png").exists()

    def fail(*_: object) -> None:
        raise OSError("the commit failed")

    monkeypatch.setattr("sqlalchemy.orm.Session.commit", fail)
    monkeypatch.setattr("sqlalchemy.orm.SessionTransaction.commit", fail)
    assert service.call("DELETE", f"/v1/uploads/{made}").status_code == 500
    monkeypatch.undo()
    with service.components.database.reading() as session:
        assert session.get(Upload, made)
    assert [path.name for path in left_behind(service)] == [made]


@pytest.mark.server
def test_kill_9_during_an_upload_leaves_nothing_for_long(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service:
        service.start()
        headers = {"content-type": "application/zip"}
        kept = service.call("POST", "/v1/uploads", content=ONE, headers=headers).json()["id"]
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            head = f"POST /v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n"
            client.sendall(f"{head}Content-Type: application/zip\r\nContent-Length: 9999999\r\n\r\n".encode() + ONE)
            folder = service.state / "uploads"
            while not list(folder.glob(".*")):
                time.sleep(0.05)
            service.kill()
        assert list(folder.glob(".*"))
        service.start()
        assert [path.name for path in folder.iterdir()] == [kept]
        service.stop()
