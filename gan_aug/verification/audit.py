"""Verifies the privacy audits of a run: made again from the images, and compared with what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError, GanAugError
from gan_aug.privacy.record import audit_of
from gan_aug.run import layout
from gan_aug.run.events import UnitProgress
from gan_aug.stages.audit.sets import RunAudit, SetPlace, own_set
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link, broken_link
from gan_aug.verification.report import differences
from gan_aug.version import __version__

TOLERANCE = 2e-3
"""Ratios and AUCs may differ by this much: another processor rounds distances otherwise."""

ORDERED = ("nearest",)
"""Lists of the audit whose order may differ with the last digits."""


def check_audits(
    storage: RunStorage, sets: Mapping[int, SyntheticManifest], progress: UnitProgress, *, quick: bool
) -> list[Link]:
    """The link of each audit of the run's own sets.

    Args:
        storage: The run's files.
        sets: The whole synthetic sets, by the number of their GAN.
        progress: Is told how far it is.
        quick: Whether the audits are only read, and not made again.

    Returns:
        A link for each audit; none if there is none.
    """
    links: list[Link] = []
    made_again: RunAudit | None = None
    for gan, made in sorted(sets.items()):
        place = own_set(storage.gan(gan))
        name = f"{layout.gan_folder(gan)}/{layout.AUDIT}".removeprefix("./")
        if not (place.folder / layout.AUDIT).exists():
            continue
        try:
            record = audit_of(place.folder, made.fingerprint)
            if record is None:
                says = "it is of another set than the one here: `gan-aug audit` makes it again"
                links.append(Link(name, "ALTERED", says))
            elif quick or record["gan_aug"] != __version__:
                by = "a quick verification" if quick else f"version {record['gan_aug']} made it, and this version"
                links.append(Link(name, "skipped", f"it is whole, but {by} does not make it again"))
            else:
                made_again = made_again or RunAudit(storage)
                links.append(_made_again(name, made_again, place, record, progress))
        except GanAugError as error:
            links.append(broken_link(name, error))
    return links


def _made_again(name: str, audit: RunAudit, place: SetPlace, record: dict[str, Any], progress: UnitProgress) -> Link:
    """The link of an audit that is whole: made again, unless its set is not whole, which has links of its own."""
    try:
        again, _ = audit.measure(place, progress=lambda done, of: progress("images audited", done, of))
    except DataError as error:
        return Link(name, "skipped", f"it is whole, but cannot be made again: {error}")
    return _compared(name, record, again)


def _compared(name: str, record: dict[str, Any], again: dict[str, Any]) -> Link:
    """The link of an audit that was made again."""
    sides = [_plain(one) for one in (record, again)]
    changes = differences(sides[0], sides[1], "audit", TOLERANCE)
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        return Link(name, "ALTERED", f"made again, it differs: {'; '.join(changes[:3])}{more}", DataError)
    return Link(name, "ok", f"made again from {record['images']:,} images, it says the same")


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    copies = {key: value for key, value in record["copies"].items() if key not in ORDERED}
    return {**record, "copies": copies, "released": None}
