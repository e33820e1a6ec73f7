"""The options of `gan-aug export`: how npz and DICOM files are written, and how an archive is reached.

They are no part of a run's config, as they alter no result.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from gan_aug.config.faults import faults_of
from gan_aug.config.overrides import apply_override
from gan_aug.config.section import Count, Section
from gan_aug.errors import ConfigError

PAIRED = {
    "ANKLE", "ARM", "BREAST", "CALCANEUS", "CLAVICLE", "EAR", "ELBOW", "EXTREMITY", "EYE", "FEMUR", "FINGER", "FOOT",
    "HAND", "HIP", "HUMERUS", "KIDNEY", "KNEE", "LEG", "OVARY", "PATELLA", "SCAPULA", "SHOULDER", "THIGH", "THUMB",
    "TOE", "WRIST", "ZYGOMA",
}  # fmt: skip
"""Values of Body Part Examined that are one of a pair (PS3.16, annex L)."""

UNPAIRED = {
    "ABDOMEN", "AORTA", "BLADDER", "BRAIN", "CHEST", "COCCYX", "COLON", "CSPINE", "ESOPHAGUS", "GALLBLADDER", "HEAD",
    "HEART", "JAW", "LIVER", "LSPINE", "MAXILLA", "MEDIASTINUM", "NECK", "PANCREAS", "PELVIS", "PROSTATE", "RECTUM",
    "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "THYROID", "TSPINE", "UTERUS", "WHOLEBODY",
}  # fmt: skip
"""Values of Body Part Examined that there is one of."""


class NpzExport(Section):
    """How a synthetic set is written as npz."""

    layout: Literal["channels-first", "medmnist"] = Field(
        "channels-first",
        description="channels-first: images (N, C, H, W) and labels (N, K) of zeros and ones; medmnist: train_images "
        "(N, H, W) or (N, H, W, 3) and train_labels (N, 1), or (N, K) if images may have several",
    )


class DicomExport(Section):
    """How a synthetic set is written as DICOM files."""

    bits: Literal[8, 16] = Field(8, description="bits of a stored value; with 16, 257 times the 8-bit grey")
    frames: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="images of one label in a file; above 1 files with several are multi-frame"
    )
    syntax: Literal["explicit", "rle", "jpeg-ls"] = Field(
        "explicit", description="transfer syntax: not compressed, RLE, or JPEG-LS (both without loss)"
    )
    mark: bool = Field(False, description="draw the word SYNTHETIC into every image; narrow ones get SYN")
    modality: Literal[
        "CR", "CT", "DX", "ES", "GM", "IO", "MG", "MR", "NM", "OP", "OPT", "OT", "PT", "PX", "RF", "RG", "SM", "US",
        "XA", "XC",
    ] = Field("OT", description="Modality: that of the real images, such as DX, or OT (other)")  # fmt: skip
    body_part: str | None = Field(None, description="Body Part Examined, such as CHEST; default: none is named")
    laterality: Literal["R", "L", "B", "U"] | None = Field(
        None, description="Image Laterality: R, L, B (both) or U (unpaired); default: U, and needed for a paired part"
    )
    names: dict[str, str] = Field(
        default_factory=dict, description="other names of labels in the files, such as {pneumonia: Pneumonie}"
    )
    study_date: Annotated[str, Field(pattern=r"^(1[89]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")] = Field(
        "19000101", description="Study Date of all files, YYYYMMDD: a synthetic image has none of its own"
    )

    @field_validator("study_date", mode="before")
    @classmethod
    def _digits(cls, date: object) -> object:
        # YAML reads 20240101 as a number.
        return str(date) if isinstance(date, int) else date

    @field_validator("body_part")
    @classmethod
    def _known(cls, part: str | None) -> str | None:
        if part is not None and part not in PAIRED | UNPAIRED:
            raise ValueError(f"use one of {', '.join(sorted(PAIRED | UNPAIRED))}")
        return part

    @field_validator("names", mode="before")
    @classmethod
    def _text(cls, names: object) -> object:
        # YAML reads 0 as a number, but labels are text.
        return {str(label): str(name) for label, name in names.items()} if isinstance(names, dict) else names

    @model_validator(mode="after")
    def _a_side(self) -> DicomExport:
        paired = self.body_part in PAIRED
        if paired and self.laterality in (None, "U"):
            raise ValueError(f"{self.body_part} is one of a pair: set dicom.laterality to R, L or B")
        if self.body_part in UNPAIRED and self.laterality not in (None, "U"):
            raise ValueError(f"there is one {self.body_part}: leave dicom.laterality out")
        return self


class ArchiveExport(Section):
    """How an archive is reached, and how much is sent to it at a time. Secrets stay in the environment."""

    batch: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="files in a STOW-RS request")
    connections: Annotated[int, Field(ge=1, le=32)] = Field(8, description="associations or connections at a time")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(5, description="further tries of what fails, with pauses")
    timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="seconds without an answer after which a try has failed"
    )
    token_env: str | None = Field(None, description="stow: NAME of the environment variable with a bearer token")
    login_env: str | None = Field(None, description="stow: NAME of the environment variable with user:password")
    calling: Annotated[str, Field(pattern=r"^[ -\[\]-~]{1,16}$")] = Field(
        "GAN-AUG", description="cstore: the AE title of this side"
    )
    tls: bool = Field(False, description="cstore: encrypt; stow does so where its address begins with https://")
    authority: Path | None = Field(
        None, description="PEM file of the authorities whose certificates are trusted; default: those of the system"
    )
    certificate: Path | None = Field(None, description="PEM file of this side's certificate, with its key or beside it")
    key: Path | None = Field(None, description="PEM file of the key of `certificate`, if it is not in the same file")
    max_bytes: Count = Field(64 * 2**20, description="bytes of a STOW-RS request; larger ones are split")

    @field_validator("token_env", "login_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        # Only capitals: a secret that was pasted here by mistake is refused, and not shown.
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("give the NAME of an environment variable, in capitals, not the secret")
        return name

    @model_validator(mode="after")
    def _one_identity(self) -> ArchiveExport:
        if self.token_env and self.login_env:
            raise ValueError("token_env and login_env are two ways to sign in: leave one out")
        if self.key and not self.certificate:
            raise ValueError("key goes with certificate: name that too")
        return self


class ExportOptions(Section):
    """All options of an export; each format reads its own section."""

    npz: NpzExport = NpzExport()
    dicom: DicomExport = DicomExport()
    archive: ArchiveExport = ArchiveExport()


def export_options(
    given: Mapping[str, Any] | ExportOptions | None = None, overrides: tuple[str, ...] = ()
) -> ExportOptions:
    """Options from nested values with `section.key=value` overrides on top.

    Raises ConfigError that lists every fault at once.
    """
    values = given.model_dump() if isinstance(given, ExportOptions) else copy.deepcopy(dict(given or {}))
    for override in overrides:
        apply_override(values, override, "dicom.bits=16")
    try:
        return ExportOptions.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {fault}" for fault in faults_of(error, ExportOptions))
        raise ConfigError(f"the options of the export have faults:\n{faults}") from error
