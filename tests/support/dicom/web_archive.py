"""A stand-in for a DICOMweb archive, in this process, that fails as asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom.dataset import Dataset  # noqa: TID251

KEPT = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}


class Archive:
    """Holds `films`; `answers` maps the end of a path to (status, content type, body), or to seconds of silence."""

    def __init__(self, films: list[Dataset]) -> None:
        self.films = films
        self.answers: dict[str, Any] = {}
        self.busy = 0
        self.cap = 1000
        self.one_page = False
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.stop = threading.Event()
        self.url = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        if self.busy:
            self.busy -= 1
            return 503, "text/plain", b""
        for end, prepared in self.answers.items():
            if path.endswith(end):
                if isinstance(prepared, float):
                    self.stop.wait(prepared)
                    return 200, "text/plain", b""
                return prepared  # type: ignore[no-any-return]
        if "/instances/" in path:
            return self.file(path.rsplit("/", 1)[1])
        return self.found(path, query)

    def found(self, path: str, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        rows = {}
        for film in self.films:
            uids = (film.StudyInstanceUID, film.SeriesInstanceUID, film.SOPInstanceUID)
            row = dict(zip(KEPT.values(), ({"vr": "UI", "Value": [uid]} for uid in uids), strict=True))
            if all(part not in path or uid in path for part, uid in zip(("/studies/", "/series/"), uids, strict=False)):
                rows[uids[: {"studies": 1, "series": 2, "instances": 3}[path.rsplit("/", 1)[1]]]] = row
        offset, limit = int(query.get("offset", ["0"])[0]), int(query["limit"][0])
        if self.one_page and offset:
            return 204, "", b""
        page = list(rows.values())[offset : offset + min(limit, self.cap)]
        return (200, "application/dicom+json", json.dumps(page).encode()) if page else (204, "", b"")

    def file(self, uid: str) -> tuple[int, str, bytes]:
        out = BytesIO()
        next(film for film in self.films if uid == film.SOPInstanceUID).save_as(out, enforce_file_format=True)
        return 200, 'multipart/related; type="application/dicom"; boundary="edge"', enveloped(out.getvalue())


def enveloped(*files: bytes) -> bytes:
    return b"".join(b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n" + one for one in files) + b"\r\n--edge--"


@contextmanager
def serving(films: list[Dataset]) -> Iterator[Archive]:
    """An archive that answers at its `url` within the block."""
    archive = Archive(films)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            archive.asked.append(self.path)
            archive.headers.append(dict(self.headers))
            status, kind, body = archive.answer(parts.path, parse_qs(parts.query))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Warning", "299 there is more")
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # whoever asked has gone

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        archive.url = f"http://127.0.0.1:{server.server_port}/dicom-web"
        try:
            yield archive
        finally:
            archive.stop.set()
            server.shutdown()
            thread.join()
