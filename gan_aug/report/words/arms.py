"""What a report says of each arm: one row of words for each row of the catalogue.

Tables, verdicts, methods and learning curves read it. What follows from how an arm is made is not written here but
asked of `evaluation.arm_catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gan_aug.evaluation.arm_catalogue import ARMS, REFERENCE
from gan_aug.report.words.text import listed, thousands


@dataclass(frozen=True)
class ArmWords:
    """The words for one arm; `{kind}` stands for "GAN", or for "synthetic" if the images were made elsewhere.

    Attributes:
        trained_on: What its classifier was trained on, for the methods.
        subject: What was done, as the beginning of a verdict against the reference. For every arm but the reference.
        beside: The same, against the arm `alike`. For arms that have one.
        level: How its classifier was trained. For arms without real images, whose own AUC is told too.
        saving: What was done with the GAN's images, as the beginning of a sentence on learning curves. For arms that
            differ from the reference by the GAN alone: what classic augmentation saves, the GAN does not.
        alone: Its training images, after "when trained on". For arms that others are compared with.
        instead: The same in short, in a sentence that begins with another arm's `level`.
        done: What was done, as the beginning of the report's first sentence. For arms with a GAN.
        in_short: What was done instead of a GAN, in that sentence. For arms without one.
        not_run: What to say if it was not run. For arms that are `alike` another.
        place: Its place in the answer: the lowest comes first, and of equal ones the report's first.
    """

    trained_on: str
    subject: str = ""
    beside: str = ""
    level: str = ""
    saving: str = ""
    alone: str = ""
    instead: str = ""
    done: str = ""
    in_short: str = ""
    not_run: str = ""
    place: int = 3


WORDS: Mapping[str, ArmWords] = {
    "real": ArmWords(
        trained_on="the real training images",
        alone="the real images alone",
        instead="the real ones",
        in_short="the real images alone",
    ),
    "synthetic": ArmWords(
        trained_on="the synthetic images alone",
        subject="Training on {kind} images alone, instead of real ones,",
        level="trained only on synthetic images",
        saving="Training on its images alone, instead of the labelled ones,",
        done="Training on {kind} images alone",
        place=2,
    ),
    "mixed": ArmWords(
        trained_on="real and synthetic images together",
        subject="Adding {kind} images",
        saving="Adding its images to the labelled training images",
        done="Adding {kind} images to the real ones",
        place=0,
    ),
    "duplicate": ArmWords(
        trained_on="the real images repeated to the number of the mixed set, a control",
        subject="Adding copies of the real images (a control)",
        in_short="copies of the real images",
    ),
    "classic": ArmWords(
        trained_on="the real images with rotation, shift, zoom and grey-value changes, a control",
        subject="Classic augmentation, without a GAN (a control),",
        alone="classic augmentation of the real images alone",
        in_short="classic augmentation",
        not_run="That is against real images with neither: what classic augmentation does alone was not run.",
    ),
    "pretrain": ArmWords(
        trained_on="the synthetic images first, the real ones then",
        subject="Training on {kind} images first and on the real ones then",
        saving="Training on its images before the labelled ones",
        done="Training on {kind} images first and on the real ones then",
    ),
    "classic+mixed": ArmWords(
        trained_on="real and synthetic images together with the same classic augmentation",
        subject="Adding {kind} images together with classic augmentation of all images",
        beside="Beside classic augmentation, adding {kind} images",
        done="Adding {kind} images to the real ones, with classic augmentation of all,",
        place=1,
    ),
    "classic+pretrain": ArmWords(
        trained_on="the synthetic images first, the real ones then, with the same classic augmentation",
        subject="Training on {kind} images first and on the real ones then, with classic augmentation of all,",
        beside="Beside classic augmentation, training on {kind} images first and on the real ones then",
        done="Training on {kind} images first and on the real ones then, with classic augmentation of all,",
    ),
}
"""The words of every arm by its name, in the order of the catalogue."""


def words_of(name: str) -> ArmWords:
    """The words of an arm; one that only another version knows is called by its name."""
    named = f"the arm “{name}”"
    unknown = ArmWords(
        "as named",
        f"Training as in {named}",
        alone=f"the images of {named}",
        instead=f"those of {named}",
        done=f"Training as in {named}",
        in_short=f"the images of {named}",
    )
    return WORDS.get(name, unknown)


def verdict_subject(name: str, against: str, kind: str) -> str:
    """What was done, as the beginning of a verdict on the arm `name` compared with the arm `against`."""
    words, arm = words_of(name), ARMS.get(name)
    if against == REFERENCE:
        return words.subject.replace("{kind}", kind)
    if arm and against == arm.alike:
        return words.beside.replace("{kind}", kind)
    return f"Training as in the arm “{name}”, instead of as in “{against}”,"


def saving_arm(names: Iterable[str]) -> str | None:
    """The arm that shows how many labelled images the GAN saves: one with real images too, if there is one.

    None if no arm differs from the reference by the GAN alone.
    """
    there = set(names)
    able = [ARMS[name] for name, words in WORDS.items() if words.saving and name in there]
    return min(able, key=lambda arm: arm.real == "none").name if able else None


def without_real_images() -> str:
    """The arms that train on synthetic images alone, as part of a sentence."""
    names = [f"“{arm.name}”" for arm in ARMS.values() if arm.real == "none"]
    return f"the arm{'s' * (len(names) > 1)} {listed(names)}"


def training_images(name: str, counts: Mapping[str, int]) -> str:
    """How many `real` and `synthetic` images an arm trained on, and how they were used."""
    arm = ARMS.get(name)
    real, synthetic = (f"{thousands(counts[kind])} {kind}" for kind in ("real", "synthetic"))
    if arm and arm.pretrain:
        text = f"{synthetic}, then {real}"
    else:
        text = " + ".join(part for part, kind in ((real, "real"), (synthetic, "synthetic")) if counts[kind])
    if arm and arm.real == "repeated":
        text += ", counting copies"
    return f"{text}, augmented" if arm and arm.classic else text
