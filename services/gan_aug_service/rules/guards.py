"""The config's keys that can loosen a guard of patients, and whether a request does so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from gan_aug.config import Config

NOBODY = "nobody"


@dataclass(frozen=True)
class Guard:
    """A guard: which values of a key loosen it, and what that does."""

    loosened: Callable[[Any], bool]
    does: str


GUARDS = {
    "data.dicom.allow": Guard(bool, "lets in files whose pixels may show a patient's name"),
    "data.near_duplicates": Guard(
        lambda value: value == "report", "leaves nearly equal images both in the training and in the test"
    ),
    "data.patient_scope": Guard(
        lambda value: value == "split", "takes equal patient numbers in two splits for two patients"
    ),
    "data.columns.patient": Guard(lambda value: value == "", "leaves out which images are of one patient"),
    "audit.enabled": Guard(lambda value: value is False, "leaves out the privacy audit"),
}
"""Each key that can loosen a guard. The other keys cannot: a test names every key of the config."""


def loosened_guards(
    config: Config,
    who_may: Mapping[str, str],
    allowed: Callable[[str], bool],
    contact: str,
    before: Mapping[str, Any] | None = None,
) -> list[str]:
    """The guards that a request loosens without being allowed to.

    Args:
        config: What is asked for.
        who_may: For each guard the role that may loosen it, or NOBODY.
        allowed: Whether who asks may do what a role may.
        contact: Whom to ask.
        before: The section `data` that the run's data set was imported with: what it loosened stays as it is.

    Returns:
        A sentence for each, with its key first.
    """
    found = []
    for key, guard in GUARDS.items():
        value, who = attrgetter(key)(config), who_may[key]
        if not guard.loosened(value) or (who != NOBODY and allowed(who)) or _same(key, value, before):
            continue
        shown = f"[{', '.join(value)}]" if isinstance(value, tuple) else repr(value)
        may = "nobody may on this service" if who == NOBODY else f"only a key with the role {who} may"
        found.append(f"{key}: {shown} {guard.does}, and {may}: leave it out, or ask {contact}")
    return found


def _same(key: str, value: Any, before: Mapping[str, Any] | None) -> bool:
    section, _, rest = key.partition(".")
    if before is None or section != "data":
        return False
    known: Any = before
    for name in rest.split("."):
        known = known.get(name) if isinstance(known, Mapping) else None
    return bool(known == (list(value) if isinstance(value, tuple) else value))
