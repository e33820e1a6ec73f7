"""The queue's supervisor: starts jobs while there is room, notices their ends, and finds them after a restart.

It keeps its state in the database and in what the jobs' own processes record. If it is killed at any moment, the next
one goes on from there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

from sqlalchemy import func, select, update

from gan_aug import config as configs
from gan_aug.errors import Cancelled, ConfigError, GanAugError, RunConflict
from gan_aug.run import layout
from gan_aug.run.files import write_json, write_text
from gan_aug.run.folder import RunDir, present_products
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import Job, JobState, Run, now
from gan_aug_service.queue.refusals import Refusals
from gan_aug_service.queue.retention import AuditRetention
from gan_aug_service.queue.runner import JobRef, ProcessStatus, Runner
from gan_aug_service.queue.turns import SHORT_FOR, Room, places
from gan_aug_service.queue.waiting import queue_pause, waiting_in_order
from gan_aug_service.rules.allowed import refuse_above_ceilings
from gan_aug_service.settings import Settings

BUSY_SECONDS, IDLE_SECONDS = 0.25, 1.0
"""Time between two checks, with running jobs and without."""

ALIVE_SECONDS = 30.0
"""A supervisor that made no check for this time counts as dead."""

PLACES_SECONDS = 1.0
"""How long the places in the queue are shown before they are looked up again."""

MAX_FAILED_STARTS = 3
"""Processes of a job that may end before they begin to work; then the job has failed."""

REFUSALS = (ConfigError.__name__, RunConflict.__name__)
"""Errors that refuse a request: the run's request before it is then put back."""

log = logging.getLogger(__name__)


class Supervisor:
    """Works on the queue in a thread of its own."""

    def __init__(self, settings: Settings, database: Database, runner: Runner) -> None:
        self._settings, self._database, self._runner = settings, database, runner
        self._retention = AuditRetention(database, settings.audit_days)
        self.refusals = Refusals(database)
        self._failed_starts: dict[str, int] = {}
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)
        self._checked = time.monotonic()
        self._places: tuple[float, dict[str, int]] = (-PLACES_SECONDS, {})

    def start(self) -> None:
        """Begin, with the jobs that the service before this one left."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; running jobs go on without it."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """Check now: something was requested."""
        self._places = (-PLACES_SECONDS, {})
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether it made a check within ALIVE_SECONDS."""
        return self._thread.is_alive() and time.monotonic() - self._checked < ALIVE_SECONDS

    def tick(self) -> int:
        """Check every running job, and start queued ones while there is room; returns how many are running."""
        with self._database.reading() as session:
            working = list(session.scalars(select(Job).where(Job.state == JobState.RUNNING).order_by(Job.id)))
        at_work = [job for job in working if self._check(job)]
        while job := self._next(at_work):
            if self._begin(job):
                at_work.append(job)
        return len(at_work)

    def places(self) -> dict[str, int]:
        """The place in the queue of each job that waits and is not paused, of a moment ago."""
        made, found = self._places
        if time.monotonic() - made > PLACES_SECONDS:
            with self._database.reading() as session:
                found = places(waiting_in_order(session), apart=self._settings.short_jobs > 0)
            self._places = time.monotonic(), found
        return found

    def _loop(self) -> None:
        while not self._closing.is_set():
            wait = IDLE_SECONDS
            try:
                wait = BUSY_SECONDS if self.tick() else IDLE_SECONDS
                self._retention.prune_if_due()
                self.refusals.write_if_due()
            except Exception:
                log.exception("supervisor")  # a database may come back, so the thread must go on
            self._checked = time.monotonic()
            self._wake.wait(wait)
            self._wake.clear()

    def _next(self, at_work: list[Job]) -> Job | None:
        """The job whose turn it is; None if there is no room for one that waits, or the queue is paused."""
        room = Room(self._settings.jobs, self._settings.short_jobs)
        long = [job for job in at_work if not job.short or (job.taken and now() - job.taken > SHORT_FOR)]
        takes = room.takes(len(long), len(at_work))
        if takes == "none":
            return None
        with self._database.reading() as session:
            if queue_pause(session):
                return None
            order = waiting_in_order(session)
            chosen = next((job for job in order if job.short or takes == "any"), None)
            return session.get(Job, chosen.id) if chosen else None

    def _begin(self, job: Job) -> bool:
        """Start a queued job; returns whether it is running now."""
        claim = update(Job).where(Job.id == job.id, Job.state == JobState.QUEUED, Job.paused.is_(None))
        values: dict[str, object] = {"state": JobState.RUNNING, "started": job.started or now(), "taken": now()}
        if not job.started:
            values["events_from"] = self._events_size(job)
        with self._database.writing() as session:
            if not session.scalar(claim.values(values).returning(Job.id)):
                return False  # it was cancelled or paused meanwhile
        job.taken = now()
        log.info("job started", extra={"job": job.id, "verb": job.verb})
        return self._launch(job)

    def _launch(self, job: Job) -> bool:
        try:
            with self._runner.locked(_job_ref(job)) as free:
                if free:
                    self._write_request(job)
            if free:
                self._runner.start(_job_ref(job))
        except GanAugError as error:
            self._finish(job, JobState.FAILED, type(error).__name__, str(error))
            return False
        return True

    def _write_request(self, job: Job) -> None:
        """Write the job's request into its run folder; the request before it is stored in the database first."""
        run = RunDir(self._settings.runs / job.run_id)
        path = run.path / layout.REQUEST
        asked = configs.parse(configs.with_earlier(json.loads(job.request)), "the request")
        refuse_above_ceilings(asked, job.verb, self._settings.rules)  # they may be lower than when it was queued
        for tries_left in (4, 3, 2, 1, 0):
            try:
                with run.locked():
                    before = path.read_text(encoding="utf-8") if path.exists() else None
                    settled = configs.settled(asked, json.loads(before).get("config") if before else None)
                    text = {"schema": 1, "verb": job.verb, "config": configs.dump(settled)}
                    if before is not None and job.replaced is None and json.loads(before) != text:
                        self._update(job, replaced=before)
                    write_json(path, text)
                    return
            except RunConflict:  # a killed process may take a moment to end
                if not tries_left:
                    raise
                time.sleep(0.2)

    def _check(self, job: Job) -> bool:
        """Check a running job; returns whether it is still running."""
        status = self._runner.status(_job_ref(job))
        seen = {"pid": status.pid, "pid_started": status.started, "attempt": status.attempt}
        if status.attempt and any(getattr(job, name) != value for name, value in seen.items()):
            self._update(job, **seen)
        if status.kind == "ended":
            return self._on_end(job, status)
        if status.kind == "lost":
            return self._on_loss(job, status)
        if status.kind == "alive":
            self._failed_starts.pop(job.id, None)
            self._note_products(job)
        if job.cancel:
            self._runner.stop(_job_ref(job))
            if (now() - job.cancel).total_seconds() > self._settings.grace:
                self._runner.kill(_job_ref(job))
        return True

    def _on_end(self, job: Job, status: ProcessStatus) -> bool:
        end = status.end or {}
        error, message = end.get("error"), end.get("message")
        self._note_products(job, end.get("facts"))
        if end.get("exit") == 0:
            self._finish(job, JobState.DONE)
        elif error == Cancelled.__name__ and job.cancel:
            self._finish(job, JobState.CANCELLED)
        elif error == Cancelled.__name__:
            # Nobody cancelled it here: the machine may have been shutting down. The job is not lost.
            self._update(job, start=job.start + 1)
            return self._restart(job, status)
        else:
            self._finish(job, JobState.FAILED, error, message)
        return False

    def _on_loss(self, job: Job, status: ProcessStatus) -> bool:
        if job.cancel:
            self._finish(job, JobState.CANCELLED)
            return False
        return self._restart(job, status)

    def _restart(self, job: Job, status: ProcessStatus) -> bool:
        """Start another process for a job whose process ended or was lost, unless that happened too often."""
        failed_starts = 0
        if not status.attempt:  # it never began, or the service was killed just before it started the process
            failed_starts = self._failed_starts[job.id] = self._failed_starts.get(job.id, 0) + 1
        if status.attempt >= self._settings.attempts or failed_starts > MAX_FAILED_STARTS:
            log_line = self._runner.last_log_line(_job_ref(job)) if failed_starts else ""
            message = f"the job's process was killed or ended {status.attempt or failed_starts} times without a message"
            way_out = "give the machine more memory, or lower compute.workers, and resume it"
            self._finish(
                job, JobState.FAILED, "ComputeError", f"{message}{f' ({log_line})' if log_line else ''}: {way_out}"
            )
            return False
        log.warning("job started again", extra={"job": job.id, "attempt": status.attempt})
        return self._launch(job)

    def _finish(self, job: Job, state: JobState, error: str | None = None, message: str | None = None) -> None:
        if error in REFUSALS and job.replaced is not None:
            write_text(self._settings.runs / job.run_id / layout.REQUEST, job.replaced)
        self._failed_starts.pop(job.id, None)
        self._runner.clear_temporary(_job_ref(job))
        self._note_products(job)
        self._update(
            job,
            state=state,
            ended=(ended := now()),
            seconds=round((ended - job.started).total_seconds()) if job.started else None,
            holds_run=None,
            error=error,
            message=message and self._settings.hide_paths(message),
            events_to=self._events_size(job),
        )
        log.info("job ended", extra={"job": job.id, "state": state, "error": error})

    def _update(self, job: Job, **values: object) -> None:
        """Change a running job, in memory and in the database."""
        with self._database.writing() as session:
            session.execute(update(Job).where(Job.id == job.id, Job.state == JobState.RUNNING).values(values))
        for name, value in values.items():
            setattr(job, name, value)

    def _note_products(self, job: Job, facts: dict[str, Any] | None = None) -> None:
        """Record which products the job's run holds, and what its process said of them when it ended."""
        found = present_products(self._settings.runs / job.run_id)
        with self._database.reading() as session:
            run = session.get_one(Run, job.run_id)
            same = all(getattr(run, name) == there for name, there in found.items())
        if facts or not same:
            with self._database.writing() as session:
                session.execute(update(Run).where(Run.id == job.run_id).values(found))
                session.get_one(Run, job.run_id, with_for_update=True).take(facts or {})

    def _events_size(self, job: Job) -> int:
        events = self._settings.runs / job.run_id / layout.EVENTS
        return events.stat().st_size if events.exists() else 0


def job_counts(database: Database) -> dict[str, int]:
    """How many jobs there are in each state."""
    with database.reading() as session:
        rows = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
    return {str(state): 0 for state in JobState} | {state: count for state, count in rows}  # noqa: C416 - rows are no pairs to mypy


def _job_ref(job: Job) -> JobRef:
    return JobRef(job.id, job.run_id, job.start)
