"""An S3 server of the test's own on loopback, with one bucket; what it holds outlives a stop and a start."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.service.held_port import HeldPort

BUCKET = "bucket"


class S3Server:
    """moto's server: started, stopped and started again on the same port."""

    def __init__(self) -> None:
        self._held = HeldPort()
        self.port = self._held.number
        self.start()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._held.close()

    def client(self) -> Any:
        import boto3  # noqa: TID251 - the operator's side

        return boto3.client("s3")

    def objects(self) -> list[str]:
        """The names of all objects in the bucket, sorted."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))

    def get(self, key: str) -> bytes:
        content: bytes = self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        self.client().put_object(Bucket=BUCKET, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.client().delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server that the usual environment variables name; skips where moto or s3fs is not installed."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed: pip install 'gan-aug[dev]'")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'gan-aug[s3]'")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = S3Server()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # fsspec keeps connections by their arguments, not by the environment
    server.client().create_bucket(Bucket=BUCKET)
    try:
        yield server
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        for key in server.objects():
            server.delete(key)
        server.client().delete_bucket(Bucket=BUCKET)
        server.close()
