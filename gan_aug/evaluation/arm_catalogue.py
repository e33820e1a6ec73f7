"""The catalogue of arms: one row for each, saying what it is. Whatever else has to know that asks the row.

An arm is put together from a few parts: which real images it trains on, which synthetic ones, whether these come first
in time, whether all are augmented. A new arm of these parts is a name in `config.compare.ArmName`, a row here, and a
row of words in `report.words.arms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gan_aug.config.compare import ArmName

REFERENCE: ArmName = "real"
"""The arm that all others are compared with."""

SEARCHED: ArmName = "mixed"
"""The arm by which a ratio is searched; all whose images depend on the ratio take the one that was found."""


@dataclass(frozen=True)
class Arm:
    """What an arm is: how its classifier's training set is made, and what it is compared with.

    Attributes:
        name: Its name in `compare.arms`.
        real: The training split once, none of it, or all of it repeated to as many images as `mixed` has.
        synthetic: No synthetic images, the whole set, or as many for each real image as the ratio says.
        pretrain: The classifier trains on the synthetic images first, alone, for a share of the steps
            (`compare.pretrain`), and then on the real ones alone.
        classic: Each image is augmented by rotation, shift and the like each time it is drawn.
        is_control: It shows what can be had without a GAN.
        alike: The arm that differs from it by the GAN alone, if that is not the reference: it is made alike of real
            images alone.
    """

    name: ArmName
    real: Literal["none", "once", "repeated"] = "once"
    synthetic: Literal["none", "all", "by ratio"] = "none"
    pretrain: bool = False
    classic: bool = False
    is_control: bool = False
    alike: ArmName | None = None

    @property
    def needs_synthetic(self) -> bool:
        """Whether it trains on synthetic images."""
        return self.synthetic != "none"

    @property
    def needs_ratio(self) -> bool:
        """Whether the ratio of synthetic to real images decides what it trains on."""
        return self.synthetic == "by ratio" or self.real == "repeated"


ARMS: Mapping[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("real"),
        Arm("synthetic", real="none", synthetic="all"),
        Arm("mixed", synthetic="by ratio"),
        Arm("duplicate", real="repeated", is_control=True),
        Arm("classic", classic=True, is_control=True),
        Arm("pretrain", synthetic="all", pretrain=True),
        Arm("classic+mixed", synthetic="by ratio", classic=True, alike="classic"),
        Arm("classic+pretrain", synthetic="all", pretrain=True, classic=True, alike="classic"),
    )
}
"""Every arm by its name, in the order of reports."""


def arm_order(names: Iterable[str]) -> list[str]:
    """Names of arms as reports list them: in the order of the catalogue, then unknown ones by name."""
    places = {name: place for place, name in enumerate(ARMS)}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def known(names: Iterable[str]) -> list[Arm]:
    """The rows of those names that the catalogue has; a report of another version may name others."""
    return [ARMS[name] for name in names if name in ARMS]


def need_synthetic(names: Iterable[ArmName]) -> bool:
    """Whether some of these arms train on synthetic images."""
    return any(ARMS[name].needs_synthetic for name in names)
