"""Sets sent to archives and fetched back: Orthanc by STOW-RS and C-STORE, storescp of dcmtk, and servers with TLS."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread  # noqa: TID251
from pynetdicom import AE, evt  # noqa: TID251
from pynetdicom.sop_class import SecondaryCaptureImageStorage  # type: ignore[attr-defined]  # noqa: TID251

from gan_aug.config.export import ExportOptions, export_options
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ConfigError, GanAugError, StorageError
from gan_aug.export.archive import sending
from gan_aug.export.archive.doors import ARCHIVES, Sent, send_set
from gan_aug.export.dicom.files import DicomFiles
from gan_aug.export.folder import iterate_files
from gan_aug.run import layout
from tests.support.dicom.orthanc import running_orthanc
from tests.support.service.held_port import HeldPort
from tests.unit.export.synthetic_set import write_set

LOGIN = "releaser:a secret"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.01)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_set(tmp_path / "set", [(k % 2,) for k in range(60)])
    return tmp_path / "set"


def options(**sections: Any) -> ExportOptions:
    return export_options({"archive": {"batch": 7, "retries": 1, "timeout": 20}} | sections)


def sent(place: Path, to: str, address: str, wanted: ExportOptions) -> Sent:
    manifest = SyntheticManifest.load(place / layout.MANIFEST)
    return send_set(ARCHIVES[to], address, place, manifest, wanted, None, place / layout.SENT)


def files(place: Path, wanted: ExportOptions) -> list[bytes]:
    manifest = SyntheticManifest.load(place / layout.MANIFEST)
    return [file.content for file in iterate_files(place, manifest, DicomFiles(manifest, wanted))]


def datasets(contents: list[bytes]) -> dict[str, Any]:
    read = [dcmread(BytesIO(content)) for content in contents]
    return {str(dataset.SOPInstanceUID): dataset for dataset in read}


@pytest.mark.orthanc
def test_orthanc_gives_back_what_it_was_sent(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_LOGIN", LOGIN)
    user, password = LOGIN.split(":")
    settings = {"AuthenticationEnabled": True, "RegisteredUsers": {user: password}, "DicomServerEnabled": True}
    with running_orthanc(tmp_path / "orthanc", login=LOGIN, **settings) as archive:
        by_web = options(archive={"batch": 7, "login_env": "PACS_LOGIN"})
        with pytest.raises(ConfigError, match="asks for a sign-in"):
            sent(place, "stow", archive.web, options())
        assert sent(place, "stow", archive.web, by_web).before == 0
        expected = files(place, by_web)
        assert sorted(archive.files()) == sorted(expected)
        assert sent(place, "stow", archive.web, by_web).before == 60

        by_dicom = options(dicom={"bits": 16, "syntax": "rle", "frames": 4})
        assert sent(place, "cstore", archive.dicom, by_dicom).files == 16
        there = datasets(archive.files())
        for uid, dataset in datasets(files(place, by_dicom)).items():
            assert there[uid] == dataset
            assert (there[uid].SyntheticData, there[uid].PixelData) == ("YES", dataset.PixelData)
        assert len(there) == 60 + 16
    for path in (place / layout.SENT).iterdir():
        assert "secret" not in path.read_text()


@pytest.mark.server
@pytest.mark.skipif(not shutil.which("storescp"), reason="dcmtk is not installed")
def test_storescp_which_serves_one_association_at_a_time(place: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with HeldPort() as port:
        command = ["storescp", "-aet", "STORE", "-od", str(tmp_path / "out"), "+B", "+xa", str(port.number)]
        with subprocess.Popen(command) as process:
            try:
                wait_until_open(port.number)
                wanted = options(archive={"batch": 7, "retries": 9, "timeout": 20})
                assert sent(place, "cstore", f"STORE@127.0.0.1:{port.number}", wanted).files == 60
            finally:
                process.terminate()
    stored = datasets([path.read_bytes() for path in (tmp_path / "out").iterdir()])
    expected = datasets(files(place, wanted))
    assert stored.keys() == expected.keys()
    assert all(stored[uid] == expected[uid] for uid in expected)


def wait_until_open(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)


@contextmanager
def own_archive(handle: Any, title: str = "PACS", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """An archive of pynetdicom that answers C-STORE by `handle`; its address."""
    entity = AE(ae_title=title)
    entity.require_called_aet = True
    entity.add_supported_context(SecondaryCaptureImageStorage)
    with HeldPort() as port:
        handlers = [(evt.EVT_C_STORE, handle)]
        server = entity.start_server(("127.0.0.1", port.number), block=False, evt_handlers=handlers, ssl_context=tls)
        try:
            yield f"{title}@127.0.0.1:{port.number}"
        finally:
            server.shutdown()


@pytest.mark.server
def test_an_archive_that_ends_associations(place: Path) -> None:
    got: list[str] = []

    def handle(event: Any) -> int:
        got.append(str(event.request.AffectedSOPInstanceUID))
        if len(got) in (4, 20):
            event.assoc.abort()
        return 0

    with own_archive(handle) as address:
        wanted = options(archive={"batch": 7, "retries": 4, "connections": 2, "timeout": 20})
        assert sent(place, "cstore", address, wanted).files == 60
    assert len(set(got)) == 60


@pytest.mark.server
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's socket, if refused
def test_an_archive_that_refuses_some_and_is_full_at_times(place: Path) -> None:
    asked: dict[str, int] = {}

    def handle(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        asked[uid] = asked.get(uid, 0) + 1
        number = int(event.dataset.StudyID)
        if number == 3:
            return 0xC123
        return 0xA700 if number == 5 and asked[uid] == 1 else 0xB000 if number == 7 else 0

    with own_archive(handle) as address:
        with pytest.raises(StorageError, match=r"59 of 60 files are at .*, 1 are not \(that of image 3: .*0xc123"):
            sent(place, "cstore", address, options())
        assert sorted(asked.values()) == [1] * 59 + [2]
        with pytest.raises(StorageError, match="rejects the association of GAN-AUG"):
            sent(place, "cstore", address.replace("PACS", "OTHER"), options())
        with pytest.raises(StorageError, match="does not take Secondary Capture images of this kind"):
            sent(place, "cstore", address, options(dicom={"frames": 2}))
    with pytest.raises(StorageError, match="cannot be reached, tried 2 times"):
        sent(place, "cstore", address, options())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(path.with_suffix(".key")),
    ]
    subprocess.run(["openssl", "req", "-x509", *key, "-out", str(path), *names], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".key").read_bytes())
    return path


@pytest.mark.server
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's socket, if refused
def test_c_store_with_tls(place: Path, certificate: Path) -> None:
    got = []

    def handle(event: Any) -> int:
        got.append(str(event.dataset.SOPInstanceUID))
        return 0

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED  # both sides show one
    secure = {"tls": True, "authority": certificate, "certificate": certificate, "retries": 0, "connections": 2}
    with own_archive(handle, tls=context) as address:
        with pytest.raises(StorageError, match="wants another certificate"):
            sent(place, "cstore", address, options(archive=secure | {"authority": None}))
        assert sent(place, "cstore", address, options(archive=secure)).files == 60
    assert len(set(got)) == len(got) == 60
    with pytest.raises(ConfigError, match=r"archive\.authority, archive\.certificate or archive\.key"):
        sent(place, "cstore", address, options(archive=secure | {"certificate": Path("/none"), "connections": 3}))


class WebArchive(BaseHTTPRequestHandler):
    """Answers each request by the next of `answers`, and the last of them from then on."""

    answers: list[Any] = []  # noqa: RUF012
    asked: list[tuple[dict[str, str], bytes]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((dict(self.headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, content = answer(body) if callable(answer) else answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web_archive(*answers: Any, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    WebArchive.answers, WebArchive.asked = list(answers), []
    with HeldPort() as port, ThreadingHTTPServer(("127.0.0.1", port.number), WebArchive) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port.number}/dicom-web"
        finally:
            server.shutdown()


def parts(body: bytes) -> list[bytes]:
    boundary = body.split(b"\r\n", 1)[0]
    return [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in body.split(boundary)[1:-1]]


def taken(body: bytes, reason: int = 0, of: int = 3) -> tuple[int, bytes]:
    """All but the image `of`, if there is a `reason` not to take that."""
    told: dict[str, Any] = {"00081199": {"vr": "SQ", "Value": []}, "00081198": {"vr": "SQ", "Value": []}}
    for part in parts(body):
        dataset = dcmread(BytesIO(part))
        item = {"00081155": {"vr": "UI", "Value": [dataset.SOPInstanceUID]}}
        if reason and int(dataset.StudyID) == of:
            told["00081198"]["Value"].append(item | {"00081197": {"vr": "US", "Value": [reason]}})
        else:
            told["00081199"]["Value"].append(item)
    return 202 if told["00081198"]["Value"] else 200, json.dumps(told).encode()


@pytest.mark.server
def test_a_busy_archive_is_asked_again_and_a_large_request_is_sent_in_halves(place: Path) -> None:
    one_line = options(archive={"batch": 60, "connections": 1, "retries": 2})
    with web_archive((503, b""), (413, b""), taken) as address:
        assert sent(place, "stow", address, one_line).files == 60
    assert [len(parts(body)) for _, body in WebArchive.asked] == [60, 60, 30, 30]
    assert sorted(part for _, body in WebArchive.asked[2:] for part in parts(body)) == sorted(files(place, one_line))
    head, _ = WebArchive.asked[0]
    assert head["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert "Authorization" not in head


@pytest.mark.server
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(404, b"")], "answers 404 to a STOW-RS request: check that it is the root"),
        ([(302, b"")], "answers 302"),
        ([(401, b"")], "asks for a sign-in"),
        ([(503, b"")], "is not ready .*503.*, tried 2 times"),
        (
            [lambda body: taken(body, 0x0122)],
            r"59 of 60 files are at .*image 3: the archive does not take it \(reason 0x0122",
        ),
        ([lambda _: (409, b"{}")], "answers 409"),
    ],
)
def test_what_a_web_archive_says_is_told(place: Path, answers: list[Any], said: str) -> None:
    with web_archive(*answers) as address, pytest.raises(GanAugError, match=said):
        sent(place, "stow", address, options())


@pytest.mark.server
def test_an_archive_that_says_no_more_than_that_all_is_well(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_TOKEN", "abc")
    with web_archive((200, b"<xml/>")) as address:
        assert sent(place, "stow", address, options(archive={"token_env": "PACS_TOKEN"})).files == 60
    assert {head["Authorization"] for head, _ in WebArchive.asked} == {"Bearer abc"}


@pytest.mark.server
def test_stow_with_tls(place: Path, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with web_archive(taken, tls=context) as address:
        with pytest.raises(StorageError, match="a certificate that is not trusted"):
            sent(place, "stow", address, options())
        assert sent(place, "stow", address, options(archive={"authority": certificate})).files == 60
    with pytest.raises(StorageError, match="cannot be reached, or ends the connection, tried 2 times"):
        sent(place, "stow", address.replace("https", "http"), options())


@pytest.mark.parametrize(
    ("to", "address", "said"),
    [
        ("stow", "https://user:pw@pacs.example/dicom-web", "the address: an address with a password would be recorded"),
        ("stow", "pacs.example/dicom-web", "write http://host/path"),
        ("cstore", "pacs.example:11112", "write AE@HOST:PORT"),
        ("cstore", "PACS@pacs.example", "write AE@HOST:PORT"),
        ("cstore", "A-TITLE-TOO-LONG-FOR-DICOM@pacs.example:11112", "write AE@HOST:PORT"),
        ("cstore", "PACS@pacs.example:99999", "write AE@HOST:PORT"),
    ],
)
def test_an_address_that_is_none_is_told_before_anything_is_read(place: Path, to: str, address: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        sent(place, to, address, options())
    assert "pw" not in str(caught.value)
    assert not (place / layout.SENT).exists()


def test_a_secret_must_be_there(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"archive\.token_env: the environment has no NO_SUCH_TOKEN"):
        sent(place, "stow", "http://127.0.0.1:1", options(archive={"token_env": "NO_SUCH_TOKEN"}))
