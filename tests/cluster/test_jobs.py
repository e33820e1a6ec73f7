"""`gan-aug submit`: a run as a job of Ray's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import call
from tests.support.ray_samples import RayCluster, Same

pytestmark = pytest.mark.ray


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # Ray's call of aiohttp
def test_a_submitted_run_is_followed_to_its_end_and_makes_the_same_set(
    cluster: RayCluster,
    same: Same,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = same.begin(tmp_path / "run").path
    arguments = ("submit", config, "--run", run, "--address", cluster.jobs, "--verb", "generate", "--wait", "--json")
    # Ray tells a job the address of the newest cluster on the host, which may be another one while tests run.
    arguments = (*arguments, "--set", f"compute.address={cluster.address}")
    assert call(monkeypatch, *arguments) == 0
    shown = capfd.readouterr()
    job = json.loads(shown.out)
    assert job["stop"] == f"ray job stop {job['job']} --address {cluster.jobs}"
    assert "4,000 synthetic images" in shown.err
    same.check_set(run)

    assert call(monkeypatch, *arguments, "--set", "synthesis.seed=1") == 4, "the exit code is the job's"
    assert "synthesis.seed was 0, now 1" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--run", "relative"), 2, "--run is relative"),
        (("--run", "/r", "--set", "data.root=images"), 2, "data.root is images"),
        (
            ("--run", "/r", "--set", "compare.weights=net.pth", "--set", "compare.features=resnet18"),
            2,
            "compare.weights is net.pth",
        ),
        (("--run", "/r"), 2, "give --address http://HEAD:8265"),
        (("--run", "/r", "--address", "127.0.0.1:6379"), 2, "127.0.0.1:6379 is not where Ray takes jobs"),
        (("--run", "/r", "--address", "http://127.0.0.1:1"), 6, "no Ray job API answers at http://127.0.0.1:1"),
        (("--run", "/r", "--verb", "publish"), 2, "there is no such verb"),
        (("--run", "/r", "--address", "http://127.0.0.1:1", "--requirements", "loose.txt"), 2, "does not pin torch>=2"),
        (("--run", "/r", "--address", "http://127.0.0.1:1", "--requirements", "none.txt"), 2, "check --requirements"),
    ],
)
def test_what_cannot_be_submitted_is_a_sentence(
    cluster: RayCluster,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("loose.txt").write_text("# ours\nnumpy==2.4.6\ntorch>=2\n")
    assert call(monkeypatch, "submit", config, *arguments) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
