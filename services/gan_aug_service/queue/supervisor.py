"""The queue's keeper: starts jobs while there is room, sees them end, and finds them again after a restart.

Its memory is the database and what the jobs' own processes record; killed at any moment, it goes on from there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

from sqlalchemy import func, select, update

from gan_aug.errors import Cancelled, ConfigError, GanAugError, RunConflict
from gan_aug.run import layout
from gan_aug.run.files import write_json, write_text
from gan_aug.run.folder import RunDir
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import Job, JobState, Run, now
from gan_aug_service.queue.retention import Retention
from gan_aug_service.queue.runner import Runner, Standing, Work
from gan_aug_service.settings import Settings

TICK, IDLE = 0.25, 1.0
"""Seconds between two looks, with jobs at work and without."""

UNBORN = 3
"""Processes that may end before they begin to work, until the job counts as failed."""

REFUSALS = (ConfigError.__name__, RunConflict.__name__)
"""Errors after which the run's former request stands again."""

log = logging.getLogger(__name__)


class Supervisor:
    """Keeps the queue in a thread of its own."""

    def __init__(self, settings: Settings, database: Database, runner: Runner) -> None:
        self._settings, self._database, self._runner = settings, database, runner
        self._retention = Retention(database, settings.audit_days)
        self._unborn: dict[str, int] = {}
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)
        self._looked = time.monotonic()

    def start(self) -> None:
        """Begin, with the jobs that a service before this one left."""
        self._thread.start()

    def close(self) -> None:
        """Leave the queue; jobs at work go on without it."""
        self._ending.set()
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """Look now: something was asked."""
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether it looked lately."""
        return self._thread.is_alive() and time.monotonic() - self._looked < 30

    def tick(self) -> int:
        """Look once at every job at work, and start what there is room for; gives how many are at work."""
        with self._database.reading() as session:
            working = list(session.scalars(select(Job).where(Job.state == JobState.RUNNING).order_by(Job.id)))
        count = sum(self._look(job) for job in working)
        while count < self._settings.jobs and (job := self._next()):
            count += self._begin(job)
        return count

    def _keep(self) -> None:
        while not self._ending.is_set():
            wait = IDLE
            try:
                wait = TICK if self.tick() else IDLE
                self._retention.keep()
            except Exception:
                log.exception("supervisor")  # a database that is away comes back; nobody else would look again
            self._looked = time.monotonic()
            self._wake.wait(wait)
            self._wake.clear()

    def _next(self) -> Job | None:
        with self._database.reading() as session:
            query = select(Job).where(Job.state == JobState.QUEUED).order_by(Job.id).limit(1)
            return session.scalar(query)

    def _begin(self, job: Job) -> bool:
        """Start a queued job; gives whether it is at work now."""
        claim = update(Job).where(Job.id == job.id, Job.state == JobState.QUEUED)
        values: dict[str, object] = {"state": JobState.RUNNING, "started": job.started or now()}
        if not job.started:
            values["events_from"] = self._events_size(job)
        with self._database.writing() as session:
            if not session.scalar(claim.values(values).returning(Job.id)):
                return False  # cancelled meanwhile
        log.info("job started", extra={"job": job.id, "verb": job.verb})
        return self._launch(job)

    def _launch(self, job: Job) -> bool:
        try:
            with self._runner.held(_work(job)) as free:
                if free:
                    self._write_request(job)
            if free:
                self._runner.start(_work(job))
        except GanAugError as error:
            self._finish(job, JobState.FAILED, type(error).__name__, str(error))
            return False
        return True

    def _write_request(self, job: Job) -> None:
        """Put the job's request into its run folder; what stood there is kept in the database first."""
        run = RunDir(self._settings.runs / job.run_id)
        path, text = run.path / layout.REQUEST, {"schema": 1, "verb": job.verb, "config": json.loads(job.request)}
        for tries_left in (4, 3, 2, 1, 0):
            try:
                with run.locked():
                    before = path.read_text(encoding="utf-8") if path.exists() else None
                    if before is not None and job.replaced is None and json.loads(before) != text:
                        self._update(job, replaced=before)
                    write_json(path, text)
                    return
            except RunConflict:  # a process that was killed may take a moment to be gone
                if not tries_left:
                    raise
                time.sleep(0.2)

    def _look(self, job: Job) -> bool:
        """See how a job at work stands; gives whether it still is."""
        standing = self._runner.standing(_work(job))
        seen = {"pid": standing.pid, "pid_started": standing.started, "attempt": standing.attempt}
        if standing.attempt and any(getattr(job, name) != value for name, value in seen.items()):
            self._update(job, **seen)
        if standing.kind == "ended":
            return self._ended(job, standing)
        if standing.kind == "lost":
            return self._lost(job, standing)
        if standing.kind == "alive":
            self._unborn.pop(job.id, None)
            self._note_products(job)
        if job.cancel:
            self._runner.stop(_work(job))
            if (now() - job.cancel).total_seconds() > self._settings.grace:
                self._runner.kill(_work(job))
        return True

    def _ended(self, job: Job, standing: Standing) -> bool:
        end = standing.end or {}
        error, message = end.get("error"), end.get("message")
        if end.get("exit") == 0:
            self._finish(job, JobState.DONE)
        elif error == Cancelled.__name__ and job.cancel:
            self._finish(job, JobState.CANCELLED)
        elif error == Cancelled.__name__:
            # Nobody asked for it here: the machine was shutting down, perhaps. The job is not lost.
            self._update(job, start=job.start + 1)
            return self._again(job, standing)
        else:
            self._finish(job, JobState.FAILED, error, message)
        return False

    def _lost(self, job: Job, standing: Standing) -> bool:
        if job.cancel:
            self._finish(job, JobState.CANCELLED)
            return False
        return self._again(job, standing)

    def _again(self, job: Job, standing: Standing) -> bool:
        """Start another process for a job whose process is gone, unless that happened too often."""
        unborn = 0
        if not standing.attempt:  # it never began, or the service was killed just before it started one
            unborn = self._unborn[job.id] = self._unborn.get(job.id, 0) + 1
        if standing.attempt >= self._settings.attempts or unborn > UNBORN:
            said = self._runner.said_last(_work(job)) if unborn else ""
            message = f"the job's process was killed or ended {standing.attempt or unborn} times without a word"
            way_out = "give the machine more memory, or lower compute.workers, and resume it"
            self._finish(job, JobState.FAILED, "ComputeError", f"{message}{f' ({said})' if said else ''}: {way_out}")
            return False
        log.warning("job started again", extra={"job": job.id, "attempt": standing.attempt})
        return self._launch(job)

    def _finish(self, job: Job, state: JobState, error: str | None = None, message: str | None = None) -> None:
        if error in REFUSALS and job.replaced is not None:
            write_text(self._settings.runs / job.run_id / layout.REQUEST, job.replaced)
        self._unborn.pop(job.id, None)
        self._note_products(job)
        self._update(
            job,
            state=state,
            ended=now(),
            holds_run=None,
            error=error,
            message=message and self._settings.without_places(message),
            events_to=self._events_size(job),
        )
        log.info("job ended", extra={"job": job.id, "state": state, "error": error})

    def _update(self, job: Job, **values: object) -> None:
        """Alter a job that is at work, here and in the database."""
        with self._database.writing() as session:
            session.execute(update(Job).where(Job.id == job.id, Job.state == JobState.RUNNING).values(values))
        for name, value in values.items():
            setattr(job, name, value)

    def _note_products(self, job: Job) -> None:
        found = products(self._settings.runs / job.run_id)
        with self._database.reading() as session:
            run = session.get_one(Run, job.run_id)
            same = all(getattr(run, name) == there for name, there in found.items())
        if not same:
            with self._database.writing() as session:
                session.execute(update(Run).where(Run.id == job.run_id).values(found))

    def _events_size(self, job: Job) -> int:
        events = self._settings.runs / job.run_id / layout.EVENTS
        return events.stat().st_size if events.exists() else 0


def products(run: Path) -> dict[str, bool]:
    """Which products stand whole in a run folder."""
    return {
        "dataset": (run / layout.DATASET / layout.MANIFEST).exists(),
        "model": any(
            (run / layout.TRAIN / layout.CHECKPOINTS).glob(f"{layout.EACH_CHECKPOINT}/{layout.CHECKPOINT_RECORD}")
        ),
        "synthetic": (run / layout.SYNTHETIC / layout.MANIFEST).exists(),
        "report": (run / layout.REPORT).exists(),
    }


def job_counts(database: Database) -> dict[str, int]:
    """How many jobs there are of each state."""
    with database.reading() as session:
        rows = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
    return {str(state): 0 for state in JobState} | {state: count for state, count in rows}  # noqa: C416 - rows are no pairs to mypy


def _work(job: Job) -> Work:
    return Work(job.id, job.run_id, job.start)
