"""The privacy audit in the report: a line at the top, and a section with its figures."""

from __future__ import annotations

from typing import Any

from gan_aug.privacy.record import UNSEEN, refusal, said_of_copies, said_of_membership, verdict
from gan_aug.report.blocks import Block, Paragraphs, Table
from gan_aug.report.words.text import Report, share


def audit_line(report: Report) -> Paragraphs | None:
    """Whether the synthetic images were audited, and what may leave; None without a synthetic set."""
    if not report["provenance"]["synthetic"]:
        return None
    sets = _sets(report)
    if not sets:
        said = (
            "Privacy: the synthetic images had not been audited when this report was written, so neither they nor the "
            "model may be released: “gan-aug audit” compares them with the training images."
        )
        return Paragraphs((said,))
    gans = len(report.get("gans") or sets)
    several = max(gans, len(sets)) > 1
    said = " ".join(["Privacy:", *(f"{_of(one, several=several)}audited. {verdict(one)}" for one in sets)])
    if gans > len(sets):
        said += " The sets of the other GANs had not been audited when this report was written."
    return Paragraphs((said,))


def audit_blocks(report: Report) -> list[Block | None]:
    """What the audit found; empty if there was none."""
    sets = _sets(report)
    if not sets:
        return []
    first = sets[0]
    texts = [said_of_copies(first), said_of_membership(first), _rarest(first), UNSEEN]
    return [Paragraphs(tuple(text for text in texts if text)), _sets_table(sets), _classes_table(first)]


def _sets(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (report.get("privacy") or {}).get("sets", [])
    return found


def _of(one: dict[str, Any], *, several: bool) -> str:
    return f"GAN {one['gan']}: " if several or one["gan"] else ""


def _rarest(one: dict[str, Any]) -> str:
    rarest = one["copies"]["rarest"]
    if not rarest["images"]:
        return "No synthetic image is nearest to one of the rarest training images."
    least = rarest["quantiles"][0]
    return (
        f"{rarest['images']:,} synthetic images are nearest to one of the rarest training images, the "
        f"{100 * rarest['share']:.0f} % that are the farthest from other patients; their least ratio is {least:.2f}."
    )


def _sets_table(sets: list[dict[str, Any]]) -> Table:
    rows = []
    for one in sets:
        copies, membership = one["copies"], one["membership"]
        rows.append(
            (
                f"GAN {one['gan']}",
                f"{one['images']:,}",
                _ratio(copies["quantiles"], 0),
                _ratio(copies["quantiles"], 2),
                f"{copies['below_copy']:,}",
                f"{copies['dropped']:,} (up to {copies['most']:,})",
                f"{100 * copies['authenticity']:.1f} %",
                _attack(membership["auc"]) + ("" if membership["judged"] else ", not judged"),
                _attack(one["discriminator"]),
                f"{_word(one, 'set')} / {_word(one, 'model')}",
            )
        )
    head = (
        "Set", "Images", "Least ratio", "1 % quantile", "Copies", "Left out (by chance)", "Authenticity",
        "Membership AUC", "By the discriminator", "Set / model",
    )  # fmt: skip
    caption = (
        "The audit of each set. Ratio: the distance to the nearest training image, over the distance of that image to "
        "its nearest of another patient. Authenticity: the share of images with a ratio of at least 1. Membership: how "
        "well the set, or the discriminator, tells training images from held-out ones; 0.5 is by chance."
    )
    return Table(caption, head, tuple(rows), text_columns=(0, len(head) - 1))


def _classes_table(one: dict[str, Any]) -> Table:
    rows = tuple(
        (
            label,
            f"{own['images']:,}",
            _ratio(own["quantiles"], 0),
            _ratio(own["quantiles"], 2),
            _ratio(own["quantiles"], 4),
            f"{own['like_a_copy']:,}",
            _attack(one["membership"].get("per_class", {}).get(label)),
        )
        for label, own in one["copies"]["per_class"].items()
    )
    chance = one["copies"]["by_chance"]["quantiles"]
    usual = (
        "By chance",
        f"{one['copies']['by_chance']['images']:,}",
        *(_ratio(chance, k) for k in (0, 2, 4)),
        "–",
        "–",
    )
    head = ("Class", "Images", "Least ratio", "1 % quantile", "Median", "Like a copy", "Membership AUC")
    caption = f"The audit by class, of GAN {one['gan']}. The last row: training images compared with other patients."
    return Table(caption, head, (*rows, usual))


def _ratio(quantiles: list[float] | None, k: int) -> str:
    return f"{quantiles[k]:.2f}" if quantiles else "–"


def _attack(found: dict[str, Any] | None) -> str:
    if not found:
        return "–"
    low, high = found["ci95"]
    return f"{share(found['value'], 3)} ({share(low, 3)} to {share(high, 3)})"


def _word(one: dict[str, Any], subject: Any) -> str:
    return "refused" if refusal(one, subject) else "allowed"
