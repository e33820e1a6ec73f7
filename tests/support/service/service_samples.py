"""A service as its tests hold it: in this process, with keys for two projects."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import select

from gan_aug.gan.state import load_generator, newest_checkpoint
from gan_aug.run.folder import present_products
from gan_aug.synthesis.sampler import sample
from gan_aug_service.access.keys import make_key
from gan_aug_service.app import create_app
from gan_aug_service.components import Components
from gan_aug_service.database.sharing_tables import Project
from gan_aug_service.database.tables import Job, JobState, Role, Run, new_id, now
from gan_aug_service.settings import Limits, Settings
from tests.support.marks import starts_server

TINY: dict[str, Any] = {
    "data": {"source": "digits", "size": 16, "limit": 30},
    "train": {"images": 320, "batch": 32, "checkpoint_every": 160, "sample_every": 320},
    "gan": {"width": 4},
    "synthesis": {"counts": 10},
    "classifier": {"name": "softmax", "steps": 20, "epochs": 2},
    "compare": {"seeds": 2, "gans": 1},
    "compute": {"workers": 1},
}
WHOLE: dict[str, Any] = TINY | {
    "compare": TINY["compare"] | {"arms": ["real", "synthetic", "mixed"], "canaries": False}
}
"""As TINY, with fewer classifiers, for runs that go through all stages."""

WHO = {
    "admin": (Role.ADMIN, "default"),
    "editor": (Role.EDITOR, "lungs"),
    "releaser": (Role.RELEASER, "lungs"),
    "viewer": (Role.VIEWER, "lungs"),
    "manager": (Role.MANAGER, "lungs"),
    "colleague": (Role.EDITOR, "lungs"),
    "stranger": (Role.EDITOR, "bones"),
}
NOBODY = "0" * 24


def make_run(path: Path) -> Path:
    """A whole run of tiny budgets at `path`."""
    from gan_aug.compute.local.executor import LocalExecutor  # PyTorch is for the tests that need it
    from gan_aug.config import parse
    from gan_aug.run.folder import RunDir
    from gan_aug.stages.verbs import start

    start("run", parse(WHOLE, "the test"), RunDir(path), LocalExecutor(1))
    return path


def until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """What `condition` gives, once it is true; raises TimeoutError where it stays false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError


class Service:
    """One service and its clients; `start` lets its queue run."""

    def __init__(self, state: Path, database: str | None, limits: Limits, **settings: Any) -> None:
        data = state.parent / "data"
        data.mkdir(exist_ok=True)
        values = {"jobs": 1, "nice": 0, "data": data} | settings
        self.settings = Settings(state, database=database, limits=limits, **values)
        self.app = create_app(self.settings)
        self.components: Components = self.app.state.components
        self.supervised = False
        self.client = TestClient(self.app, raise_server_exceptions=False)
        with self.components.database.writing() as session:
            there = set(session.scalars(select(Project.name)))  # those of a state that was restored
            for project in sorted({project for _, project in WHO.values()} - there):
                session.add(Project(name=project, title=project.capitalize()))
            made = {name: make_key(session, name, *where) for name, where in WHO.items()}
        self.keys = {name: text for name, (_, text) in made.items()}
        self.key_ids = {name: key.id for name, (key, _) in made.items()}

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        if self.supervised:
            self.client.__exit__(None, None, None)
        self.components.samplers.close()
        self.components.database.close()

    def start(self) -> None:
        """Begin the application's lifespan: the queue is kept from now on, and jobs get processes."""
        starts_server("a queue whose jobs are processes")
        self.client.__enter__()
        self.supervised = True

    def call(self, method: str, path: str, who: str | None = "editor", **more: Any) -> Any:
        """One request as one of WHO, or without a key."""
        headers = {"Authorization": f"Bearer {self.keys[who]}"} if who else {}
        return self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def submit(self, verb: str = "import", who: str = "editor", **changes: Any) -> dict[str, Any]:
        """Queue a verb with tiny budgets; gives the job."""
        answer = self.call("POST", f"/v1/jobs/{verb}", who, json=TINY | changes)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def release(self, run: str, *kinds: str, recipient: str = "the teaching class", **more: Any) -> list[str]:
        """Release the set and the model of a run, or these kinds (`synthetic`, `models`) alone; gives the ids."""
        made = []
        for kind in kinds or ("synthetic", "models"):
            body = {"recipient": recipient} | more
            answer = self.call("POST", f"/v1/{kind}/{run}/releases", "admin" if more else "releaser", json=body)
            assert answer.status_code == 201, answer.text
            made.append(answer.json()["id"])
        return made

    def wait(self, job_id: str, *states: str, seconds: float = 600) -> dict[str, Any]:
        """The job once it is in one of the states (any end by default)."""
        wanted = states or ("done", "failed", "cancelled")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.call("GET", f"/v1/jobs/{job_id}", "admin").json()
            if job["state"] in wanted:
                return job
            time.sleep(0.1)
        raise TimeoutError(f"job {job_id} is {job['state']} after {seconds} s, not {wanted}")

    def place(self, run: Path, project: str = "lungs", who: str = "editor") -> str:
        """A copy of a finished run as a record of the service; gives its id, which is its job's too."""
        identifier = new_id()
        folder = self.settings.runs / identifier
        shutil.copytree(run, folder)
        request = json.loads((run / "request.json").read_text())
        config = json.dumps(request["config"])
        with self.components.database.writing() as session:
            session.add(Run(id=identifier, project=project, key_id=self.key_ids[who], **present_products(folder)))
            session.flush()
            session.add(
                Job(
                    id=identifier,
                    run_id=identifier,
                    project=project,
                    key_id=self.key_ids[who],
                    verb=request["verb"],
                    config=config,
                    request=config,
                    state=JobState.DONE,
                    started=now(),
                    ended=now(),
                    events_to=(folder / "events.jsonl").stat().st_size,
                    fingerprint="0" * 64,
                )
            )
        return identifier


def alone(run: Path, label: int, seed: int, first: int, count: int) -> Any:
    """Images of a run's newest generator as the sampler of the core makes them, with nobody else's in the pass."""
    checkpoint = newest_checkpoint(run / "train" / "checkpoints")
    assert checkpoint
    rows = np.zeros((count, 10), dtype=np.float32)
    rows[:, label] = 1
    return sample(load_generator(checkpoint), rows, seed=seed, first=first)
