"""On what the parts of a comparison were computed: machines, versions, and what is not known of them."""

from __future__ import annotations

from typing import Any

from gan_aug.report.words.text import Report, counted, listed

STAGES = {
    "dataset": "import",
    "train": "GAN",
    "synthetic": "synthetic images",
    "sizes": "GANs of the learning curves",
    "compare": "comparison",
}
"""The stages of a run in words."""

_VERSIONS = (("gan_aug", "gan-aug"), ("torch", "PyTorch"), ("python", "Python"))


def computed_on(report: Report) -> str:
    """The machine that it was computed on, or each of several; empty if the report does not say."""
    known = report["environment"]
    parts = known.get("computed")
    if not parts or _is_one(parts):
        return _machine(known)
    if not any(part["environment"] for part in parts):
        earlier = _all(known)
        return f"not noted when it was computed{f'; an earlier report says {earlier}' if earlier else ''}"
    return "; ".join(f"{_what(part)}: {_all(part['environment']) or 'not noted'}" for part in parts)


def software(report: Report) -> str:
    """With which versions everything was computed, as a sentence; those of each part if they differ."""
    known = report["environment"]
    parts = known.get("computed") or [{"environment": known}]
    versions = {_versions(part["environment"]) for part in parts}
    if len(versions) == 1 and "" not in versions:
        return f"Everything was computed with {versions.pop()}."
    if versions == {""}:
        earlier = _versions(known)
        said = f"; an earlier report names {earlier}" if earlier else ""
        return f"The versions that computed it were not noted{said}."
    each = "; ".join(f"{_what(part)} with {_versions(part['environment']) or 'versions not noted'}" for part in parts)
    return f"The parts were computed by different versions: {each}."


def software_in_short(report: Report) -> str:
    """The versions of most of the comparison, and whether others took part."""
    known = report["environment"]
    parts = known.get("computed") or []
    versions = {(one.get("gan_aug"), one.get("torch")) for part in parts if (one := part["environment"])}
    said = ", ".join(f"{name} {known[key]}" for key, name in _VERSIONS[:2] if known.get(key))
    return f"{said}; in part other versions: Methods" if said and len(versions) > 1 else said or "Methods"


def _is_one(parts: list[dict[str, Any]]) -> bool:
    return len(parts) == 1 and parts[0]["environment"] is not None


def _what(part: dict[str, Any]) -> str:
    """What was computed there, such as `import, GAN and 12 classifiers`."""
    names = [STAGES.get(stage, stage) for stage in part["stages"]]
    if part["classifiers"]:
        names.append(counted(part["classifiers"], "classifier"))
    return listed(names)


def _machine(known: dict[str, Any]) -> str:
    """A machine, as far as it is known."""
    cores = counted(known["cores"], "core") if known.get("cores") else None
    return ", ".join(part for part in (known.get("system"), cores, known.get("gpu")) if part)


def _versions(known: dict[str, Any] | None) -> str:
    return listed([f"{name} {known[key]}" for key, name in _VERSIONS if known.get(key)]) if known else ""


def _all(known: dict[str, Any] | None) -> str:
    """A machine with the versions, as far as they are known; empty if nothing is."""
    return ", ".join(part for part in (_machine(known), _versions(known)) if part) if known else ""
