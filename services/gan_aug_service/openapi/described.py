"""Runs and uploads in bodies and answers: what they are called, who made them, and what is said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from gan_aug.config.titles import TITLE_LENGTH, checked_title, is_refused
from gan_aug_service.database.tables import Run, Upload
from gan_aug_service.openapi.schemas import In

TAG_LENGTH, MOST_TAGS, NOTES_LENGTH = 40, 20, 4000


def checked_tag(text: str) -> str:
    """A tag as it is stored, in small letters; raises ValueError, with the reason, if it is none."""
    tag = checked_title(text).lower()
    if "," in tag:
        raise ValueError("it holds a comma, which stands between tags")
    if len(tag) > TAG_LENGTH:
        raise ValueError(f"it has {len(tag)} characters: use at most {TAG_LENGTH}")
    return tag


def checked_tags(tags: list[str]) -> list[str]:
    """Tags without repetitions, in the order of the alphabet."""
    return sorted(set(tags))


def checked_notes(text: str) -> str:
    """Notes as they are stored: as a title, but of many lines; raises ValueError, with the reason, if unfit."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    if any(is_refused(sign) for line in lines for sign in line):
        raise ValueError("they hold a control character or one that turns the direction of text")
    return "\n".join(line.rstrip() for line in lines).strip()


Title = Annotated[
    str,
    Field(
        min_length=1, max_length=4 * TITLE_LENGTH, description=f"a line in any script, up to {TITLE_LENGTH} characters"
    ),
    AfterValidator(checked_title),
]
Tag = Annotated[str, Field(min_length=1, max_length=4 * TAG_LENGTH), AfterValidator(checked_tag)]
Tags = Annotated[
    list[Tag],
    Field(max_length=MOST_TAGS, description="words to find it by, without commas; they are kept in small letters"),
    AfterValidator(checked_tags),
]
Notes = Annotated[str, Field(max_length=NOTES_LENGTH, description="any plain text"), AfterValidator(checked_notes)]


class AboutIn(In):
    """What a run or an upload is to be called, and what is to be said of it; what is left out stays."""

    title: Title | None = None
    tags: Tags | None = None
    notes: Notes | None = None


class RunOut(BaseModel):
    """A run: what it is called, who made it, and which products it holds."""

    id: str
    project: str
    created: datetime
    title: str
    owner: str = Field(description="who made it; empty if it was adopted when the service started")
    source: str = Field(description="what the images are from")
    tags: list[str]
    notes: str
    dataset: bool
    model: bool
    synthetic: bool
    report: bool
    data_name: str = Field(description="the name of the data set; empty before it is imported")
    labels: list[str] = Field(description="the labels of the data set; none before it is imported")
    verdict: str = Field(description="the verdict of the report in a word or two; empty before there is one")

    @classmethod
    def of(cls, run: Run) -> RunOut:
        """The answer for a run."""
        return cls.model_validate(run, from_attributes=True)


class UploadOut(BaseModel):
    """An unpacked zip; give its `root` as data.root."""

    id: str
    project: str
    created: datetime
    title: str = Field(description="at first the name of the file")
    owner: str
    source: str = Field(description="the name of the file, if it was sent")
    tags: list[str]
    notes: str
    files: int
    size: int
    sha256: str
    root: str

    @classmethod
    def of(cls, upload: Upload) -> UploadOut:
        """The answer for an upload."""
        names = [name for name in cls.model_fields if name not in ("root", "tags")]
        values = {name: getattr(upload, name) for name in names}
        return cls(**values, tags=list(upload.tags), root=f"uploads/{upload.id}")
