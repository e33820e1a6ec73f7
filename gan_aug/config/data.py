"""The data sections of the config: which images there are, how they are read, and how they are split."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Positive, Section, Share


class Columns(Section):
    """Which columns of a table say what (`csv` source)."""

    file: str = Field("file", description="path of the image, relative to the table's folder or `data.root`")
    label: str | tuple[str, ...] = Field("label", description="the label; a list names one 0/1 column per label")
    patient: str | None = Field(None, description="the patient; images of one patient stay in one split")
    split: str | None = Field(None, description="train, validation or test; without it the split is made here")


class DicomConfig(Section):
    """How DICOM files are read, and which may be (`dicom` source)."""

    window: str = Field("first", description="first, percentile, or the explanation of a window, such as BONE")
    frames: Literal["all", "first", "middle"] | Count = Field(
        "all", description="which frames of a file: all, the first, the middle one, or every n-th"
    )
    crop: Literal["none", "border"] = Field("none", description="border: cut off the dark edge around the image")
    max_pixels: Count = Field(100_000_000, description="rows x columns x frames that a file may claim")
    allow: tuple[Literal["burned-in", "ultrasound"], ...] = Field(
        (), description="files refused otherwise, since their pixels may name a patient"
    )
    label_from: str | None = Field(
        None, description="folder, none (all one class), table, or a coded DICOM keyword; table where one is given"
    )
    label_key: Literal["SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID", "file"] = Field(
        "SOPInstanceUID", description="what the column `data.columns.file` of the table holds"
    )


class DicomWebConfig(Section):
    """Where a DICOMweb archive is, and what is imported from it (`dicomweb` source)."""

    url: str | None = Field(None, description="root of the DICOMweb service, http or https")
    search: dict[str, str | int | float] = Field(
        default_factory=dict, description="DICOM keywords and the values that must match, such as Modality: CR"
    )
    level: Literal["study", "series", "instance"] = Field(
        "series", description="what is searched for; all instances in what matches are imported"
    )
    page: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="results to ask for at a time")
    limit: Count | None = Field(None, description="instances to import at most, the first the archive lists")
    timeout: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="seconds without an answer to give up")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(3, description="further tries where the connection fails")
    token_env: str | None = Field(
        None, description="name of the environment variable that holds a bearer token; the token itself goes nowhere"
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if "@" in url:
            raise ValueError("an address with a password would be recorded: use data.dicomweb.token_env")
        if "?" in url or "#" in url:
            raise ValueError("leave out what follows ? or #: it would be recorded")
        if not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?(/[\w./~%+:-]*)?", url, re.ASCII):
            raise ValueError("write http://host/path or https://host/path")
        return url

    @field_validator("token_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        # Capitals alone: a token pasted here by mistake is refused, and not recorded.
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("give the NAME of an environment variable, in capitals, and not the token")
        return name


class DataConfig(Section):
    """Which images, how they become an array, and how they are split."""

    source: str = Field(
        description="digits, mnist, a MedMNIST name (pneumoniamnist, ...), folder, csv, dicom, dicomweb"
    )
    root: Path | None = Field(
        None,
        description="folder of the files (dicom: or zip, DICOMDIR); else GAN_AUG_DATA, else a cache",
    )
    table: Path | None = Field(None, description="the table of a csv source; index.csv in `data.root` by default")
    columns: Columns = Columns()
    dicom: DicomConfig = DicomConfig()
    dicomweb: DicomWebConfig = DicomWebConfig()
    label_separator: str | None = Field(None, description="splits one label cell into several, e.g. '|': multi-label")
    names: dict[str, str] = Field(
        default_factory=dict,
        description="what labels are called from here on, such as {0: normal, 1: pneumonia}; equal names join labels",
    )
    size: Count | tuple[Count, Count] | None = Field(
        None, description="pixels, or [height, width]; without it the set's own, or 64 for files"
    )
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 colour; without it as the images are")
    fit: Literal["pad", "crop", "stretch"] = Field("pad", description="how the aspect is kept, or not")
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        "lanczos", description="Pillow's resampling filter"
    )
    window: Literal["auto", "full", "percentile"] = Field(
        "auto", description="grey range: the format's full range, or percentiles 0.5-99.5 (auto: those for 16 bit)"
    )
    positive: str | None = Field(None, description="the label that is the disease")
    flips: tuple[Literal["horizontal", "vertical"], ...] | None = Field(
        None, description="mirrorings that leave the label true; without it those the set declares"
    )
    patient_scope: Literal["dataset", "split"] = Field(
        "dataset", description="`split` where patient numbers restart in each split"
    )
    on_leak: Literal["error", "drop"] | None = Field(
        None, description="an image or patient on two sides: an error, or dropped from training; sets built in say drop"
    )
    near_duplicates: Literal["report", "drop", "move"] = Field(
        "report",
        description="images that look nearly the same in two splits: reported, dropped from training, or kept together "
        "where the splits are made here",
    )
    max_rejected: Share = Field(0.05, description="share of files that may be set aside before it is an error")
    seconds_per_file: Positive = Field(60.0, description="a file that takes longer to decode is set aside")
    limit: Count | None = Field(None, description="first N studies per class and split, for trials")
    validation: Share = Field(0.1, description="share of the training studies for validation where the set has none")
    test: Share = Field(0.2, description="share of all studies for the test where the set has none")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="cross-validation: into how many parts a set without splits is divided by patient"
    )
    fold: Annotated[int, Field(ge=0)] = Field(0, description="which of the folds is the test, from 0")

    @field_validator("source")
    @classmethod
    def _a_plain_name(cls, name: str) -> str:
        # A set's name becomes a file's: with a slash in it, it would be a path.
        if not re.fullmatch(r"\w{1,40}", name, re.ASCII):
            raise ValueError(
                f"{name[:60]!r} is no name of a source: use digits, mnist, a MedMNIST name, folder, csv, dicom or "
                "dicomweb, and data.root for where the files lie"
            )
        return name

    @field_validator("names", mode="before")
    @classmethod
    def _written_as_in_tables(cls, names: object) -> object:
        # YAML reads 0 as a number; the tables' cells are text.
        return {str(label): name for label, name in names.items()} if isinstance(names, dict) else names

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, columns: Columns) -> Columns:
        labels = columns.label if isinstance(columns.label, tuple) else (columns.label,)
        if not labels:
            raise ValueError("name at least one label column")
        if columns.file in labels:
            raise ValueError(f"file and label are both column {columns.file!r}: name two columns")
        return columns

    @model_validator(mode="after")
    def _fold_exists(self) -> DataConfig:
        if self.fold and self.fold >= (self.folds or 1):
            wanted = f"use 0 to {self.folds - 1}" if self.folds else "set data.folds to how many there are"
            raise ValueError(f"there is no fold {self.fold}: {wanted}")
        return self
