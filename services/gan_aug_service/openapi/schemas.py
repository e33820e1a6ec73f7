"""The bodies and answers of the REST interface, as pydantic models; stored records are in database/tables.py."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Row

from gan_aug.config import Config
from gan_aug_service.database.tables import AuditEntry, Job, JobState, Key, Role
from gan_aug_service.http.prefix import prefixed
from gan_aug_service.http.problems import recorded_document
from gan_aug_service.openapi.people.names import Name

Item = TypeVar("Item")
JOB_EXAMPLE: dict[str, JsonValue] = {
    "id": "019aa5c3f1e08c1d2e3f4a5b",
    "run": "019aa5c3f1e08c1d2e3f4a5b",
    "project": "default",
    "title": "digits",
    "owner": "first",
    "source": "digits",
    "tags": [],
    "verb": "run",
    "state": "running",
    "created": "2026-11-21T12:00:00Z",
    "started": "2026-11-21T12:00:01Z",
    "ended": None,
    "seconds": None,
    "data_name": "digits",
    "verdict": "",
    "attempt": 1,
    "cancelling": False,
    "problem": None,
    "links": {"events": "/v1/jobs/019aa5c3f1e08c1d2e3f4a5b/events"},
}


class In(BaseModel):
    """A request's body: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid")


class ProblemOut(BaseModel):
    """A problem document (RFC 9457): the kind of fault, the status, and a sentence that says what to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:gan-aug:problem:ConfigError",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "the request has 1 fault:\n  train.image: no such key; did you mean images?",
                "faults": ["train.image: no such key; did you mean images?"],
                "exit_code": 2,
            }
        }
    )
    type: str
    title: str
    status: int
    detail: str
    faults: list[str] | None = None
    exit_code: int | None = None


class JobOut(BaseModel):
    """A job: one verb on one run folder, with an owner."""

    model_config = ConfigDict(json_schema_extra={"example": JOB_EXAMPLE})
    id: str
    run: str = Field(description="the run folder's id: give it as ?run= to go on in the same folder")
    project: str
    title: str = Field(description="what its run is called; change it with PATCH /v1/runs/{id}")
    owner: str = Field(description="who asked for it")
    source: str = Field(description="what the images are from")
    tags: list[str]
    verb: str
    state: JobState
    created: datetime
    started: datetime | None
    ended: datetime | None
    seconds: int | None = Field(description="from its first start to its end")
    data_name: str = Field(description="the run's data set; empty before it is imported")
    verdict: str = Field(description="the verdict of the run's report in a word or two; empty before there is one")
    place: int | None = Field(
        None,
        description="its place in the queue, a short job's among the short ones; null unless it waits for its turn",
    )
    paused: datetime | None = Field(None, description="since when it waits because somebody paused it")
    short: bool = Field(False, description="it was expected to be short: there is room for such jobs beside long ones")
    attempt: int = Field(description="processes that worked on it: more than 1 if one was killed")
    cancelling: bool = Field(description="it was asked to stop, and is not at a safe point yet")
    problem: ProblemOut | None = Field(description="why it failed")
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job | Row[Any]) -> JobOut:
        """The answer for a job, or for a row of its columns."""
        here, run = prefixed(f"/v1/jobs/{job.id}"), job.run if isinstance(job, Job) else job
        state = JobState(job.state)
        links = {name: f"{here}/{name}" for name in ("events", "report", "log")} | {"self": here}
        return cls(
            id=job.id,
            run=job.run_id,
            project=job.project,
            title=run.title,
            owner=job.owner,
            source=run.source,
            tags=list(run.tags),
            verb=job.verb,
            state=state,
            created=job.created,
            started=job.started,
            ended=job.ended,
            seconds=job.seconds,
            data_name=run.data_name,
            verdict=run.verdict,
            attempt=job.attempt,
            paused=None if state is not JobState.QUEUED else job.paused,
            short=job.short,
            cancelling=job.cancel is not None and not state.ended,
            problem=ProblemOut(**recorded_document(job.error, job.message or "")) if job.error else None,
            links=links,
        )


class JobWithConfig(JobOut):
    """A job with its config, every default spelt out."""

    config: dict[str, Any]

    @classmethod
    def of(cls, job: Job | Row[Any]) -> JobWithConfig:
        """The answer for a job with its config."""
        return cls(**JobOut.of(job).model_dump(), config=json.loads(job.config))


class Page(BaseModel, Generic[Item]):
    """One page of records, newest first; `next` is the value of ?after= for the next page."""

    items: list[Item]
    next: str | None


class DatasetOut(BaseModel):
    """An imported data set."""

    id: str
    name: str
    fingerprint: str
    task: str
    labels: list[str]
    positive: str | None
    shape: list[int] = Field(description="channels, height, width")
    counts: dict[str, dict[str, int]] = Field(description="images of each label in each split")
    notes: list[str]


class ModelOut(BaseModel):
    """A trained generator: the newest whole checkpoint of a run."""

    id: str
    checkpoint: str
    images: int = Field(description="training images that it has seen")
    labels: list[str]
    task: str
    shape: list[int]
    dataset: str = Field(description="the fingerprint of the data set that it was trained on")


class SyntheticOut(BaseModel):
    """A synthetic set."""

    id: str
    fingerprint: str
    checkpoint: str
    seed: int
    labels: list[str]
    shape: list[int]
    images: int
    counts: dict[str, int]


class KeyIn(In):
    """A key to make."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "reader", "role": "viewer", "days": 90}})
    name: Name
    role: Role
    project: Name = "default"
    days: int | None = Field(
        None, ge=1, le=3650, description="days until it expires; without it, the key does not expire"
    )


class KeyOut(BaseModel):
    """A key without its text, or a person who signs in with the provider and has to do so again at `expires`."""

    id: str
    kind: Literal["key", "person"]
    name: str
    role: Role
    project: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None

    @classmethod
    def of(cls, key: Key) -> KeyOut:
        """The answer for a key."""
        return cls.model_validate(key, from_attributes=True)


class NewKey(KeyOut):
    """A new key with its text, which is shown this once."""

    key: str


class SignIn(In):
    """The text of a key, to sign a browser in with."""

    key: str = Field(max_length=200)


class SessionOut(BaseModel):
    """Who is signed in, and the token that changes must carry in X-CSRF-Token."""

    name: str
    role: Role
    project: str
    csrf_token: str | None


class AuditOut(BaseModel):
    """An entry of the audit: who did what, when."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    time: datetime
    key_id: str | None
    project: str | None
    action: str
    target: str | None
    detail: str | None
    address: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditOut:
        """The answer for an entry."""
        return cls.model_validate(entry)


class Health(BaseModel):
    """Whether the service can work, and each thing that it needs."""

    status: Literal["ok", "unavailable"]
    version: str
    checks: dict[str, bool] = {}


def config_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON schema of a config, with references into an OpenAPI document, and the schemas of its sections."""
    schema = Config.model_json_schema(ref_template="#/components/schemas/{model}")
    return schema, schema.pop("$defs")
