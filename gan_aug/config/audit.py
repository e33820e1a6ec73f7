"""The config section of the privacy audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gan_aug.config.section import Section


class AuditConfig(Section):
    """Whether `run` audits the synthetic set. The limits of the audit are not to be chosen."""

    enabled: Literal["auto"] | bool = Field(
        "auto",
        description="whether `run` audits the synthetic set of the first GAN against the training images; auto: if "
        "that takes little beside the rest (up to 200 million pairs of images). `gan-aug audit` and `gan-aug export` "
        "audit a set in any case",
    )
