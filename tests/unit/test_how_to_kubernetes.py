"""What can be said of the Kubernetes how-to without a cluster: its commands parse, its versions and names are ours."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from gan_aug import __version__
from gan_aug.cli.app import app
from tests.support.places import ROOT

PAGE = (ROOT / "docs/how-to/kubernetes.md").read_text()
MANIFESTS = list(yaml.safe_load_all((ROOT / "docs/how-to/kubernetes.yaml").read_text()))


def pods() -> list[dict[str, Any]]:
    cluster = MANIFESTS[1]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def commands() -> list[list[str]]:
    lines = [line for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line.partition("gan-aug ")[2]) for line in lines if re.search(r"(^|\s)gan-aug [a-z]+ ", line)]


def test_the_commands_are_ours_and_their_configs_are_in_the_image() -> None:
    import typer  # noqa: TID251

    assert len(commands()) == 2
    ours: Any = typer.main.get_command(app)
    for verb, config, *options in commands():
        ours.commands[verb].make_context(verb, [config, *options])
        assert (ROOT / config.removeprefix("/opt/gan-aug/")).is_file()
    assert "COPY configs ./configs" in (ROOT / "Dockerfile").read_text()


def test_all_nodes_have_one_image_one_volume_and_the_image_s_user() -> None:
    containers = [pod["containers"][0] for pod in pods()]
    assert {container["image"] for container in containers} == {f"REGISTRY/gan-aug:{__version__}"}
    assert set(re.findall(r"REGISTRY/gan-aug:([\d.]+)", PAGE)) == {__version__}
    assert f"--uid {pods()[0]['securityContext']['runAsUser']} gan-aug" in (ROOT / "Dockerfile").read_text()
    for pod, container in zip(pods(), containers, strict=True):
        assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == MANIFESTS[0]["metadata"]["name"]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"]


def test_the_version_of_ray_is_the_image_s() -> None:
    assert f"ray=={MANIFESTS[1]['spec']['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_the_health_check_is_one_that_ray_answers_without_a_token() -> None:
    agent = pytest.importorskip("ray.dashboard.http_server_agent", reason="Ray is not installed")
    for pod in pods():
        for probe in ("readinessProbe", "livenessProbe"):
            assert pod["containers"][0][probe]["httpGet"]["path"] in agent.PUBLIC_EXACT_PATHS
