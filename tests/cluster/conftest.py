"""One Ray for all tests here: two nodes' worth of cores on this machine, joined once."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gan_aug import config as configs
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.run.folder import RunDir
from gan_aug.stages.verbs import start
from tests.support.marks import starts_server
from tests.support.places import ROOT
from tests.support.ray_samples import RayCluster, Same, free_port

CONFIG = """
data: {source: digits, size: 16, limit: 60}
train: {images: 640, batch: 32}
gan: {width: 4}
synthesis: {counts: 400, shard: 64}
classifier: {name: softmax, steps: 40, epochs: 2}
compare: {arms: [real, synthetic, mixed], seeds: 2, gans: 1, canaries: false}
compute: {workers: 1, threads: 1, device: cpu}
audit: {enabled: false}
"""


# Ray reads these once, when it is loaded, and a test that needs no cluster may be the first to load it.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "600",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback alone
}


@pytest.fixture(scope="package")
def cluster() -> Iterator[RayCluster]:
    starts_server("Ray")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
            patch.delenv(name, raising=False)
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # others' memory is no reason to kill a worker here
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # whose Python a job's command gets
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # of the tests' own work
        patch.setenv("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "3")  # for ranks that wait for one that is gone
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
        patch.setenv("RAY_agent_register_timeout_ms", "600000")
        patch.setenv("RAY_gcs_server_port_wait_time_s", "600")
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
        import ray  # noqa: TID251
        from ray.cluster_utils import Cluster  # noqa: TID251

        # Several processes, also of other working trees, may start a Ray at the same moment.
        number = os.getpid() % 50
        port, agent = free_port(9000 + 10 * number), free_port(9500 + 10 * number)
        # A folder of its own, also for the address that Ray notes: clusters that share one are taken for each other.
        folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        patch.setenv("RAY_TMPDIR", str(folder))
        (folder / "ray").mkdir()
        head = {
            "temp_dir": str(folder / "ray"),
            "num_cpus": 2,
            "object_store_memory": 2**27,
            "include_dashboard": True,
            "dashboard_port": port,
            "dashboard_agent_listen_port": agent,
            "_system_config": {"metrics_report_interval_ms": 1000},
        }
        nodes = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        try:
            yield RayCluster(nodes, nodes.address, f"http://127.0.0.1:{port}")
        finally:
            ray.shutdown()
            nodes.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "job.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="session")
def made_here(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the whole job, made in this process."""
    run = tmp_path_factory.mktemp("made_here") / "run"
    start("run", configs.load(config), RunDir(run), LocalExecutor(1))
    return run


@pytest.fixture
def same(made_here: Path, config: Path) -> Same:
    return Same(made_here, configs.load(config))
