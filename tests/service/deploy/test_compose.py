"""What is brought up together: docker-compose.yml, the image, and what Prometheus is told.

No container is started here: the file is held against what it may say, and each command against the program it names.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gan_aug_service.http.metrics import Metrics
from gan_aug_service.options import parser
from tests.support.places import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = ("RAY_AUTH_TOKEN", "POSTGRES_PASSWORD")
ONE_SHOT = {"storage"}


def judged(file: Path) -> subprocess.CompletedProcess[str]:
    """What the Compose specification's own schema says of a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_is_valid_by_the_specifications_schema(tmp_path: Path) -> None:
    whole = judged(ROOT / "docker-compose.yml")
    assert whole.returncode == 0, whole.stdout
    (tmp_path / "compose.yml").write_text(TEXT.replace("healthcheck:", "healthchek:", 1))
    faulty = judged(tmp_path / "compose.yml")
    assert faulty.returncode == 1
    assert "'healthchek' was unexpected" in faulty.stdout


def test_secrets_come_from_outside_and_health_is_asked_without_a_shell() -> None:
    assert all(set(value) == {"environment"} for value in COMPOSE["secrets"].values())
    for service in SERVICES.values():
        assert service.get("healthcheck", {"test": ["CMD"]})["test"][0] == "CMD"
        assert all(isinstance(item, str) for item in service.get("command", []))


def test_what_is_named_is_there() -> None:
    for name, service in SERVICES.items():
        waits = service.get("depends_on", {})
        assert set(waits) <= set(SERVICES), name
        for other, how in waits.items() if isinstance(waits, dict) else ():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how == {"condition": expected}, (name, other)
            assert other in ONE_SHOT or "healthcheck" in SERVICES[other]
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            assert source in COMPOSE["volumes"] or source == "./data" or (ROOT / source).exists(), volume
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert "healthcheck" in service or name in ONE_SHOT, name


def test_secrets_come_from_outside_and_no_image_has_them() -> None:
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}(.?)", TEXT)
        assert uses, name
        assert set(uses) == {":"}, "a secret must not be empty"
        assert f"${{{name}:?" in TEXT
        assert f"\n{name}=\n" in (ROOT / "deploy" / "example.env").read_text()
    assert not re.search(r"(?i)(password|token|secret)\w*: *['\"]?[a-z0-9]{6}", TEXT.split("services:", 1)[1])
    for ignore in (".dockerignore", ".gitignore"):
        assert ".env" in (ROOT / ignore).read_text().split()
    assert not re.search(r"(?i)password|_key|token", (ROOT / "Dockerfile").read_text())


def test_only_this_host_reaches_what_is_published() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(ports) == [f"127.0.0.1:{port}:{port}" for port in (8000, 8265, 9090)]


def test_the_service_knows_its_options() -> None:
    command = SERVICES["api"]["command"]
    assert command[:2] == ["gan-aug", "serve"]
    options = parser().parse_args([re.sub(r"\$\{\w+:-(\w+)\}", r"\1", part) for part in command[2:]])
    assert (options.ray, options.jobs, str(options.state)) == ("http://head:8265", 2, "/shared/service")
    keys = re.findall(r"gan-aug serve (.*?)(?:  |\n|$)", TEXT + (ROOT / "deploy" / "example.env").read_text())
    assert len(keys) == 2
    assert {parser().parse_args(shlex.split(said)).new_key for said in keys} == {"admin", "viewer:metrics"}


def test_every_node_sees_the_same_folders() -> None:
    nodes = [service for name, service in SERVICES.items() if service["image"] == "gan-aug" and name not in ONE_SHOT]
    assert len(nodes) == 4
    assert len({tuple(node["volumes"]) for node in nodes}) == 1


def test_prometheus_asks_the_service_with_a_key() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == "api:8000"
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    assert job["metrics_path"] == "/metrics"


@pytest.mark.parametrize("name", ["gan-aug.html"])
def test_the_page_asks_for_figures_that_there_are(name: str) -> None:
    metrics = Metrics(lambda: {"queued": 1}, ROOT)
    metrics.requests.labels("GET", "/", "200").inc()
    metrics.seconds.labels("/").observe(1)
    there = {
        sample.name for family in text_string_to_metric_families(metrics.text().decode()) for sample in family.samples
    }
    asked = set(re.findall(r"ganaug_\w+", (ROOT / "deploy" / "consoles" / name).read_text()))
    assert len(asked) >= 5
    assert asked <= there
