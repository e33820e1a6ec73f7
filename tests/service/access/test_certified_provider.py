"""Signing in with a certified OpenID Connect provider, oidc-provider of npm, as its users do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from gan_aug_service.settings import Grant, Limits, ProviderSettings
from tests.support.marks import starts_server
from tests.support.places import ROOT
from tests.support.service.held_port import HeldPort
from tests.support.service.oidc_provider import CLIENT, SECRET
from tests.support.service.page_samples import see
from tests.support.service.service_samples import Service

CERTIFIED = Path(os.environ.get("GAN_AUG_OIDC_PROVIDER", ROOT / ".oidc-provider"))
"""The folder below which `npm install --prefix` put oidc-provider."""

SCRIPT = ROOT / "tests" / "support" / "service" / "oidc_provider.cjs"


@pytest.mark.oidc
def test_a_certified_provider_signs_people_in(tmp_path: Path, limits: Limits) -> None:
    node = shutil.which("node")
    if not node or not (CERTIFIED / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("Node.js with oidc-provider is not there: npm install --prefix .oidc-provider oidc-provider")
    starts_server("oidc-provider")
    callback = "http://testserver/sign-in/provider/callback"
    with HeldPort() as port:
        issuer = f"http://127.0.0.1:{port.number}"
        command = [node, SCRIPT, CERTIFIED, str(port.number), CLIENT, SECRET, callback]
        settings = ProviderSettings(issuer, CLIENT, SECRET, grants=(Grant("radiology", "editor", "lungs"),))
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
            Service(tmp_path / "state", None, limits, provider=settings) as service,
            httpx.Client(base_url=issuer, follow_redirects=False, timeout=60) as browser,
        ):
            try:
                assert process.stdout
                assert process.stdout.readline() == b"ready\n"
                place = see(service, "/sign-in/provider?next=/jobs").headers["location"]
                for fields in ({}, {"prompt": "login", "login": "zoe", "password": "x"}, {"prompt": "consent"}):
                    answer = browser.post(place, data=fields) if fields else browser.get(place)
                    while answer.is_redirect and not answer.headers["location"].startswith(callback):
                        place = answer.headers["location"]
                        answer = browser.get(place)
                back = answer.headers["location"].removeprefix("http://testserver")
                assert 'content="0;url=/jobs"' in see(service, back).text
                who = service.call("GET", "/v1/session", None).json()
                assert (who["name"], who["role"], who["project"]) == ("Zoë 李", "editor", "lungs")
                assert see(service, back).status_code == 400  # the begun sign-in is over
                assert f'href="{issuer}/session/end?client_id=gan-aug' in see(service, "/signed-out").text
            finally:
                process.kill()
