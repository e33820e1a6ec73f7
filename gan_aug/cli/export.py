"""The command `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug.cli.progress import shown_progress
from gan_aug.config.export import ExportOptions, export_options
from gan_aug.errors import ConfigError
from gan_aug.export.archive.doors import ARCHIVES
from gan_aug.export.formats import FORMATS, either
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.run.folder import is_further_set

if TYPE_CHECKING:
    Target = str
else:
    Target = Literal[(*FORMATS, *MODEL_FORMATS, *ARCHIVES)]

_ON_DISK = {**FORMATS, **MODEL_FORMATS}
_TO = either(row.description for row in (*_ON_DISK.values(), *ARCHIVES.values()))
_ADDRESS = "of an archive: " + either(f"{row.address} ({row.name})" for row in ARCHIVES.values())
_KINDS = {kind: [row.name for row in _ON_DISK.values() if row.kind == kind] for kind in ("folder", "file")}
_OUT = (
    " or ".join(f"{kind} ({', '.join(names)})" for kind, names in _KINDS.items())
    + " to write; for an archive the file that records what arrived  [default: in DIR/sent]"
)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a run folder, or a further set", show_default=False)],
    address: Annotated[str | None, typer.Argument(metavar="[ADDRESS]", help=_ADDRESS, show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PATH", help=_OUT)] = None,
    to: Annotated[Target, typer.Option("--to", help=_TO)] = "png",
    gan: Annotated[
        int | None,
        typer.Option(metavar="N", help="of a run with several GANs (compare.gans): whose images  [default: 0]"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="an option, e.g. dicom.bits=16 or archive.retries=2"),
    ] = None,
    anyway: Annotated[
        str | None,
        typer.Option("--release-anyway", metavar="REASON", help="pass over the privacy audit; who and why is noted"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write a synthetic set, or the model, in a format that other tools read, or send a set to an archive.

    DIR is a run folder, or that of a further set. It is audited before, if needed.
    """
    options = export_options(None, tuple(overrides or ()))
    made = _opened(folder, gan)
    if to in ARCHIVES:
        result, text = _sent(made, to, address, out, gan or 0, options, anyway)
    else:
        result, text = _written(made, to, address, out, gan or 0, options, anyway)
    print(json.dumps(result, ensure_ascii=False, indent=2) if as_json else text)  # noqa: T201 - this is the terminal


def _written(
    made: api.SyntheticSet | api.Run,
    to: str,
    address: str | None,
    out: Path | None,
    gan: int,
    options: ExportOptions,
    anyway: str | None,
) -> tuple[dict[str, Any], str]:
    """Write a format; what is to be printed, as JSON values and as text."""
    if out is None or address is not None:
        raise ConfigError(f"--to {to} writes to disk: name the {_ON_DISK[to].kind} with --out, and no address")
    with shown_progress() as listener:
        count = made.export(to, out, gan, options=options, release_anyway=anyway, progress=listener)
    if to in MODEL_FORMATS:
        return {"out": str(out)}, f"the model in {out}"
    return {"images": count, "out": str(out)}, f"{count:,} images in {out}"


def _sent(
    made: api.SyntheticSet | api.Run,
    to: str,
    address: str | None,
    out: Path | None,
    gan: int,
    options: ExportOptions,
    anyway: str | None,
) -> tuple[dict[str, Any], str]:
    """Send to an archive; what is to be printed, as JSON values and as text."""
    if address is None:
        raise ConfigError(f"--to {to} needs the archive's address: gan-aug export DIR {ARCHIVES[to].address} --to {to}")
    with shown_progress() as listener:
        sent = made.send(to, address, gan, record=out, options=options, release_anyway=anyway, progress=listener)
    result = {"files": sent.files, "before": sent.before, "address": address, "record": str(sent.record)}
    before = f", {sent.before:,} of them since before" if sent.before else ""
    return result, f"{sent.files:,} files at {address}{before}; recorded in {sent.record}"


def _opened(folder: Path, gan: int | None) -> api.SyntheticSet | api.Run:
    """The run or the further set; raises ConfigError for the GAN of a further set."""
    if not is_further_set(folder):
        return api.open(folder)
    if gan is not None:
        raise ConfigError(f"--gan {gan}: {folder} is a further set, which one GAN made: leave --gan out")
    return api.SyntheticSet(folder)
