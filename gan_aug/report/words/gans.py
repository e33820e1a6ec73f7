"""What a report says of the GANs one by one: which looks broken, and how far they are apart."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from gan_aug.evaluation.image_checks import failed
from gan_aug.report.blocks import Table
from gan_aug.report.words.text import Report, counted, digits, listed, percent, share, times

SIGNS = 3
"""So many standard errors above one half are too many to be chance."""


def rows_of_gans(report: Report) -> list[dict[str, Any]]:
    """The GANs that a report tells of; none without them, or in a report of an earlier version."""
    return report.get("gans") or []


def gans_alarm(report: Report) -> list[str]:
    """A sentence for each GAN that looks broken."""
    rows, decimals = rows_of_gans(report), digits(report)
    found = []
    for row in rows:
        if row["broken"]:
            which = f"GAN {row['gan']} (of GANs 0 to {len(rows) - 1})" if len(rows) > 1 else "THE GAN"
            found.append(
                f"{which} LOOKS BROKEN: {'; '.join(_failures(row, decimals))}. Its images are in every figure of the "
                f"arms with synthetic images, by {_seeds(row)}, so these figures do not show what a sound GAN would do."
            )
        if _above(row, "nearer") and _above(row, "copy_like"):
            which = f"GAN {row['gan']}" if len(rows) > 1 else "THE GAN"
            found.append(
                f"{which} MAY COPY TRAINING IMAGES: its images are nearer to single training images than real ones it "
                "never saw. Look at the nearest pairs before the images are shared."
            )
    return found


def _failures(row: dict[str, Any], decimals: int) -> list[str]:
    """What a GAN's failed checks found."""
    said, of = [], "real images"
    for check in row["checks"]:
        name, value, expected = check["check"], check["value"], check["expected"]
        if not check["passed"]:
            sentences = {
                "auc": f"training on its images alone gives a validation AUC of {share(value, decimals)}, on "
                f"{of} {share(expected, decimals)}",
                "labels": f"a classifier trained on real images sees the label asked for in {percent(value)} of its "
                f"images, and in {percent(expected)} of real ones (means over the classes)",
                "coverage": f"{percent(value)} of the real images have one of its images nearby, {percent(expected)} "
                "another real one",
            }
            said.append(sentences[name])
        of = "those of the best other GAN"  # the second check of an AUC compares with that
    return said


def memorising_text(report: Report) -> list[str]:
    """Whether the GANs remember their training images, as far as validation images can tell; empty if unmeasured."""
    rows = rows_of_gans(report)
    found = [found for row in rows if (found := _memorising(row))]
    if not found or len(found) < len(rows):
        return []
    first, several = found[0], len(found) > 1
    shares = listed([percent(one["nearer"]) for one in found])
    single = listed([percent(one["copy_like"]) for one in found])
    held_out = counted(first["held_out_images"], "validation image")
    said = (
        "Memorising. A synthetic image is nearer to its nearest training image than a validation image to its own in "
        f"{shares} of the pairs{' (by GAN)' if several else ''}; {held_out} that the {'GANs' if several else 'GAN'} "
        "never saw were compared. If training images are not remembered, about 50 % is expected (by chance "
        f"± {percent(SIGNS * first['se'])}). Copies raise it, and so do images with less variety or detail than real "
        "ones. For a copy the nearest training image is also much nearer than the second nearest. By that quotient, "
        f"{single} of the pairs are for the synthetic image."
    )
    near, copies = ([_name(row, several) for row in rows if _above(row, key)] for key in ("nearer", "copy_like"))
    both = [name for name in near if name in copies]
    if both:
        said += f" Both are too many for {listed(both)}, so some images may show real patients."
    elif near:
        said += f" The first is too many for {listed(near)}, the second is not, which points to less variety or detail."
    else:
        said += " So nothing here points to copies, which is no proof that there are none."
    return [said]


def _above(row: dict[str, Any], key: str) -> bool:
    """Whether one of the shares of a GAN's memorising is above one half by more than chance."""
    found = _memorising(row)
    return found is not None and found[key] > 0.5 + SIGNS * found["se"]


def _memorising(row: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (row["fidelity"] or {}).get("memorising")
    return found


def _name(row: dict[str, Any], several: bool) -> str:
    return f"GAN {row['gan']}" if several else "this GAN"


def gans_text(report: Report) -> list[str]:
    """How far the GANs are apart, or that there was one; empty without synthetic images of the run's own."""
    rows = rows_of_gans(report)
    if not rows:
        return []
    if len(rows) == 1:
        return [
            "One GAN made all synthetic images, so nothing here shows how much another training of it, from another "
            "seed, would change the results. compare.gans asks for several."
        ]
    decimals = digits(report)
    apart = [
        f"{share(min(values), decimals)} to {share(max(values), decimals)} (arm “{arm}”)"
        for arm in rows[0]["auc"]
        if len(values := [row["auc"][arm] for row in rows if arm in row["auc"]]) > 1
    ]
    return [
        f"{len(rows)} GANs were trained on the same images from different seeds. Each classifier seed trains on the "
        f"images of one of them. By GAN, the test AUC is {listed(apart)}."
    ]


def gans_table(report: Report) -> Table | None:
    """Each GAN with the AUC of the arms that train on its images, and its images' fidelity; the spread comes last."""
    rows, decimals = rows_of_gans(report), digits(report)
    if not rows:
        return None
    arms, measured = list(rows[0]["auc"]), all(row["fidelity"] for row in rows)
    columns: list[tuple[str, list[float | None], Callable[[float], str]]] = [
        (f"AUC “{arm}”", [row["auc"].get(arm) for row in rows], lambda value: share(value, decimals)) for arm in arms
    ]
    if measured:
        columns += [
            ("KID", [_value(row, "kid") for row in rows], lambda value: f"{value:.4f}".replace("-", "−")),
            ("Coverage", [_value(row, "coverage") for row in rows], percent),
            ("Label agreement", [_value(row, "label_agreement") for row in rows], percent),
            ("MS-SSIM", [_value(row, "ms_ssim") for row in rows], lambda value: f"{value:.3f}"),
        ]
        if all("finest" in row["fidelity"] for row in rows):
            columns.append(("Finest power", [_value(row, "finest") for row in rows], times))
    judged = all("image_checks" in row for row in rows)
    lines = [
        (
            str(row["gan"]),
            ", ".join(map(str, row["seeds"])),
            *(_cell(values[number], spell) for _, values, spell in columns),
            *([_looks(row)] if judged else ()),
            _verdict(row),
        )
        for number, row in enumerate(rows)
    ]
    if len(rows) > 1:
        lines.append(("SD", "", *(_spread(values, spell) for _, values, spell in columns), *[""] * (1 + judged)))
    caption = (
        "Each GAN by itself: the mean test AUC over the seeds that train on its images"
        + (", and how its images fare beside real ones, as in the tables above" if measured else "")
        + ". Whether one looks broken is judged without test images: by the validation AUC of training on its images "
        "alone"
        + (", by the labels that its images show and by how many real images they cover" if measured else "")
        + (". Images: which of the checks of how they look failed" if judged else "")
        + ". SD: standard deviation over the GANs."
    )
    head = ("GAN", "Seeds", *(name for name, _, _ in columns), *(["Images"] if judged else ()), "Checks")
    words = range(len(head) - 1 - judged, len(head))
    return Table(caption, head, tuple(lines), text_columns=(0, 1, *words))


def _verdict(row: dict[str, Any]) -> str:
    if row["broken"]:
        return "LOOKS BROKEN"
    return "passed" if row["checks"] else "none possible"


def _looks(row: dict[str, Any]) -> str:
    """Which checks of a GAN's images failed, in a word each."""
    names = list(dict.fromkeys(check["check"] for check in failed(row["image_checks"])))
    return ", ".join(names) or ("passed" if row["image_checks"] else "none possible")


def _seeds(row: dict[str, Any]) -> str:
    seeds = row["seeds"]
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _value(row: dict[str, Any], name: str) -> float | None:
    figure = row["fidelity"][name]
    return figure and float(figure["value"])


def _cell(value: float | None, spell: Callable[[float], str]) -> str:
    return "–" if value is None else spell(value)


def _spread(values: list[float | None], spell: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    return spell(statistics.stdev(known)) if len(known) > 1 else "–"
