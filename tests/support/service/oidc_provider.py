"""An OpenID Connect provider in this process, on joserfc: it keeps the protocol, and breaks it as asked.

`changes` alters the claims of the next ID tokens, `header` their header, `signer` is another key to sign with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "gan-aug", "s3cret & more"


class StandInProvider:
    """Signs in whoever `claims` says, at once."""

    def __init__(self) -> None:
        self.url = ""
        self.claims: dict[str, Any] = {"sub": "u-1", "name": "Jürgen Müller", "groups": ["radiology"]}
        self.changes: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.user_info: dict[str, Any] | None = None
        self.answer: dict[str, str] = {}
        self.keys: list[Any] = []
        self.signer: Any = None
        self.asked: list[str] = []
        self.down = False
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate()

    def rotate(self, kind: str = "EC") -> None:
        """Sign with a new key from now on, and publish that alone."""
        key = {"kid": secrets.token_hex(4), "use": "sig"}
        self.keys = [ECKey.generate_key("P-256", key) if kind == "EC" else RSAKey.generate_key(2048, key)]

    def authorized(self, url: str) -> str:
        """Where the provider sends a browser back to that comes with the address of the authorization endpoint."""
        address, query = urlsplit(url), {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert f"{address.scheme}://{address.netloc}" == self.url
        assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT, "S256")
        assert {"openid", "profile"} <= set(query["scope"].split())
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.url} | self.answer
        return f"{query['redirect_uri']}?{urlencode({name: text for name, text in answer.items() if text})}"

    def token(self, headers: Any, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        sent = base64.b64encode(f"{urlencode({'': CLIENT})[1:]}:{SECRET}".encode()).decode()
        query = self._codes.pop(form.get("code", ""), None)
        if headers.get("Authorization") != f"Basic {sent}":
            return 401, {"error": "invalid_client"}
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if not query or query["code_challenge"] != challenge or query["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        moment = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": moment, "exp": moment + 300, "nonce": query["nonce"]}
        claims = {name: value for name, value in (claims | self.claims | self.changes).items() if value is not None}
        key = self.signer or self.keys[0]
        header = {"alg": {"EC": "ES256", "RSA": "RS256"}.get(key.key_type, "HS256"), "kid": key.kid} | self.header
        token = jwt.encode(header, claims, key, algorithms=[header["alg"]])
        return 200, {"access_token": "a-token", "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self.down:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/keys"}
            names |= {"userinfo_endpoint": "/me", "end_session_endpoint": "/end"}
            document = {"issuer": self.url} | {name: self.url + end for name, end in names.items()}
            return 200, document | self.metadata
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys] + [{"kty": "unheard-of"}]}
        if path == "/me" and self.user_info is not None:
            return 200, self.user_info
        return 404, {}


@contextmanager
def stand_in_provider() -> Iterator[StandInProvider]:
    """A provider that serves within."""
    provider = StandInProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(*provider.get(urlsplit(self.path).path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.send(*provider.token(self.headers, form))

        def send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
