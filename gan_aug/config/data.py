"""The config sections of the data: where the images are, how they are read, and how they are split."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Positive, Section, Share, plain_address
from gan_aug.config.titles import checked_title


class Columns(Section):
    """The names of a table's columns (`csv` source)."""

    file: str = Field("file", description="column with the image's path, relative to the table or `data.root`")
    label: str | tuple[str, ...] = Field(
        "label", description="column with the label; a list names one column of 0 and 1 for each label"
    )
    patient: str | None = Field(
        None,
        description="column with the patient; all images of a patient are put in the same split; default: the column "
        "that is called so (patient, patient_id, subject, mrn, ...) if there is one; '' for none",
    )
    split: str | None = Field(
        None,
        description="column with train, validation or test; default: the column that holds nothing else if there is "
        "one, and without it the images are split by patient; '' for none",
    )


class SlicesConfig(Section):
    """Which slices of volumes are images (NIfTI, `.npy`, and the pages of TIFF files)."""

    axis: Literal[0, 1, 2] | None = Field(
        None,
        description="axis that slices are counted along; for NIfTI the anatomical one: 0 left to right, 1 back to "
        "front, 2 feet to head; default: 2 for NIfTI, 0 for .npy",
    )
    index: (
        Annotated[int, Field(ge=0)]
        | Literal["first", "middle", "all"]
        | tuple[Annotated[int, Field(ge=0)], ...]
        | (None)
    ) = Field(
        None,
        description="the slice or page of each file: its number from 0, first, middle, a list of numbers, or all; "
        "without it files with several are set aside",
    )


class DicomConfig(Section):
    """How DICOM files are read, and which are accepted (`dicom` source)."""

    window: str = Field(
        "first", description="grey window: first (of the file), percentile, or a window's explanation, such as BONE"
    )
    frames: Literal["all", "first", "middle"] | Count = Field(
        "all", description="frames taken from each file: all, the first, the middle one, or every n-th"
    )
    crop: Literal["none", "border"] = Field("none", description="border: cut off the dark border around the image")
    max_pixels: Count = Field(100_000_000, description="largest accepted rows x columns x frames of a file")
    allow: tuple[Literal["burned-in", "ultrasound"], ...] = Field(
        (), description="accept these files, which are refused by default because their pixels may show a name"
    )
    label_from: str | None = Field(
        None,
        description="where labels come from: folder, table, none (one class), or a DICOM keyword with coded values; "
        "default: table if `data.table` is set, else folder",
    )
    label_key: Literal["SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID", "file"] = Field(
        "SOPInstanceUID", description="what the table's column `data.columns.file` holds"
    )


class DicomWebConfig(Section):
    """The address of a DICOMweb archive, and what is imported from it (`dicomweb` source)."""

    url: str | None = Field(None, description="root address of the DICOMweb service, http or https")
    search: dict[str, str | int | float] = Field(
        default_factory=dict, description="DICOM keywords and the values that must match, such as Modality: CR"
    )
    level: Literal["study", "series", "instance"] = Field(
        "series", description="what the search looks for; all instances in a match are imported"
    )
    page: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="results asked for in one request")
    limit: Count | None = Field(
        None, description="largest number of instances to import; the first that the archive lists are taken"
    )
    timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        30.0, description="seconds without an answer after which a request has failed"
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(3, description="further attempts after a failed connection")
    token_env: str | None = Field(
        None,
        description="name of the environment variable that holds a bearer token; the token itself is never recorded",
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        return plain_address(url, "data.dicomweb.token_env")

    @field_validator("token_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        # Only capitals: a token that was pasted here by mistake is refused, and so not recorded.
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("give the NAME of an environment variable, in capitals, not the token")
        return name


class DataConfig(Section):
    """Which images are imported, how they are read and resized, and how they are split."""

    source: str = Field(
        description="digits, mnist, a MedMNIST name (pneumoniamnist, ...), folder, csv, dicom, dicomweb"
    )
    root: Path | None = Field(
        None,
        description="folder of the files, for dicom also a zip file or a DICOMDIR; default: GAN_AUG_DATA, and without "
        "it the user's cache",
    )
    title: str | None = Field(
        None, description="what the data set is called in reports; default: its own name, or that of its folder"
    )
    table: Path | None = Field(None, description="table of labels; default for csv: index.csv in `data.root`")
    columns: Columns = Columns()
    dicom: DicomConfig = DicomConfig()
    dicomweb: DicomWebConfig = DicomWebConfig()
    slices: SlicesConfig = SlicesConfig()
    label_separator: str | None = Field(
        None, description="separates several labels in one cell, such as '|'; makes the data set multi-label"
    )
    names: dict[str, str] = Field(
        default_factory=dict,
        description="new names of labels, such as {0: normal, 1: pneumonia}; labels with equal names are joined",
    )
    size: Count | tuple[Count, Count] | None = Field(
        None, description="image size in pixels, or [height, width]; default: the data set's own, or 64 for files"
    )
    channels: Literal[1, 3] | None = Field(None, description="1 for grey, 3 for colour; default: as in the images")
    fit: Literal["pad", "crop", "stretch"] = Field(
        "pad", description="how images of another aspect ratio are fitted; stretch does not keep the aspect ratio"
    )
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        "lanczos", description="Pillow's resampling filter"
    )
    window: Literal["auto", "full", "percentile"] = Field(
        "auto",
        description="grey range: full (of the file format; of the image itself if its numbers are not 8 or 16 bit), "
        "percentile (0.5 to 99.5), or auto (full for 8-bit images, else percentile)",
    )
    positive: str | None = Field(None, description="the label of the disease")
    flips: tuple[Literal["horizontal", "vertical"], ...] | None = Field(
        None, description="flips that do not change an image's label; default: those that the data set declares"
    )
    patient_scope: Literal["dataset", "split"] = Field(
        "dataset", description="split: patient numbers start again in each split, so equal numbers are no match"
    )
    on_leak: Literal["error", "drop"] | None = Field(
        None,
        description="what to do with an image or patient in two splits: error, or drop it from training; default: drop "
        "for the built-in data sets, else error",
    )
    near_duplicates: Literal["report", "drop", "move"] | None = Field(
        None,
        description="what to do with nearly equal images in two splits: report them, drop them from training (and from "
        "validation if the other is in the test), or move them to the same split, if the splits are made by this tool; "
        "default: drop, but report those that the data set itself puts in two splits if `data.on_leak` is error",
    )
    assignment: Literal["strata", "largest-first"] | None = Field(
        None,
        description="how the splits made by this tool are drawn: strata (patients at random within strata of labels "
        "and images per patient), or largest-first (as version 0.2 did, which puts patients with many images into "
        "training); default: strata",
    )
    max_rejected: Share = Field(0.05, description="share of unusable files above which the import is an error")
    seconds_per_file: Positive = Field(60.0, description="a file that takes longer to decode counts as unusable")
    limit: Count | None = Field(None, description="import only the first N studies of each class and split, for trials")
    validation: Share = Field(
        0.1,
        description="share of the training patients (images, if the data set names no patients) used for validation, "
        "if the data set has no validation split",
    )
    test: Share = Field(
        0.2,
        description="share of all patients (images, if the data set names no patients) used for the test, if the data "
        "set has no test split",
    )
    internal_test: Literal["auto", "off"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        "auto",
        description="a second test, of patients drawn from the training images and held out of everything else: the "
        "share of the training patients (images, if the data set names no patients), or off; auto: 0.1 if the data set "
        "has a test of its own that may differ from its training images, and that gives 30 patients of each label",
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="cross-validation: divide a data set without splits by patient into this many parts"
    )
    fold: Annotated[int, Field(ge=0)] = Field(
        0, description="cross-validation: the part used for the test, counted from 0"
    )

    @field_validator("source")
    @classmethod
    def _a_plain_name(cls, name: str) -> str:
        # The name becomes a part of a file name; with a slash it would be a path.
        if not re.fullmatch(r"\w{1,40}", name, re.ASCII):
            raise ValueError(
                f"{name[:60]!r} is not the name of a source: use digits, mnist, a MedMNIST name, folder, csv, dicom or "
                "dicomweb, and data.root for the folder of the files"
            )
        return name

    @field_validator("title")
    @classmethod
    def _a_title(cls, title: str | None) -> str | None:
        return None if title is None else checked_title(title)

    @field_validator("root", "table")
    @classmethod
    def _can_be_written(cls, path: Path | None) -> Path | None:
        if path is not None and any("\ud800" <= sign <= "\udfff" for sign in str(path)):
            raise ValueError("its name holds bytes that are not UTF-8, and cannot be recorded: rename it")
        return path

    @field_validator("internal_test", mode="before")
    @classmethod
    def _off_as_yaml_reads_it(cls, value: object) -> object:
        return "off" if value is False else value

    @field_validator("names", mode="before")
    @classmethod
    def _written_as_in_tables(cls, names: object) -> object:
        # YAML reads 0 as a number, but the cells of tables are text.
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
            wanted = f"use 0 to {self.folds - 1}" if self.folds else "set data.folds to the number of folds"
            raise ValueError(f"there is no fold {self.fold}: {wanted}")
        return self
