"""The command `latent`: from one label, seed or truncation to another, and cases of a wanted confidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug.cli.progress import shown_progress
from gan_aug.errors import ConfigError, DataError

if TYPE_CHECKING:
    from gan_aug.evaluation.cells.kept import KeptClassifier
    from gan_aug.synthesis.generator import TrainedGenerator
    from gan_aug.synthesis.latent_images import LatentImages

HELP = """Write the images on the way from one to another, or those that a classifier calls as wished.

\b
A patient who becomes ill, the noise unchanged:
  gan-aug latent RUN --from normal --to pneumonia --seed 5 --out ill.png
One patient who becomes another:
  gan-aug latent RUN --label normal --seed 5 --to-seed 9 --out other.png
From the typical image to the patient's own:
  gan-aug latent RUN --label normal --truncation 0 --to-truncation 1 --out t.png
Four cases that the classifier calls pneumonia with 0.50 to 0.60:
  gan-aug latent RUN --label pneumonia --confidence 0.55 --count 4 --out cases/
The moment at which it is undecided, the noise unchanged:
  gan-aug latent RUN --from normal --to pneumonia --confidence 0.5 --out half.png
"""
"""What `gan-aug latent --help` says."""

NO_LABEL = "none"
"""How the command line names an image of a multi-label GAN without any label."""

Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="LABEL", help="of all images; repeat it for several at once")
]


def latent(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="the run folder of a trained GAN", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help=".png for a sheet with captions, .npz for arrays, else a folder of PNGs and index.csv"
        ),
    ],
    label: Labels = None,
    start: Annotated[
        list[str] | None, typer.Option("--from", metavar="LABEL", help="from this label ... ('none': without any)")
    ] = None,
    end: Annotated[list[str] | None, typer.Option("--to", metavar="LABEL", help="... to this one")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="of the noise: who the patient is")] = 0,
    to_seed: Annotated[int | None, typer.Option(metavar="N", help="from --seed to this one")] = None,
    number: Annotated[int, typer.Option(metavar="K", help="which image of the seed, as `generate` numbers them")] = 0,
    truncation: Annotated[float, typer.Option(metavar="P", help="0 to 1: below 1 more typical, less varied")] = 1.0,
    to_truncation: Annotated[float | None, typer.Option(metavar="P", help="from --truncation to this one")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="images, both ends included  [default: 8]")] = None,
    confidence: Annotated[
        float | None, typer.Option(metavar="P", help="look for cases that the classifier calls with this probability")
    ] = None,
    of: Annotated[
        str | None, typer.Option(metavar="LABEL", help="with --confidence: called what  [default: --label or --to]")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(metavar="P", help="with --confidence: give or take  [default: 0.05]")
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", help="with --confidence: how many cases  [default: 1]")
    ] = None,
    search: Annotated[
        int | None, typer.Option(metavar="N", help="with --confidence: images of the seed to try  [default: 256]")
    ] = None,
    arm: Annotated[
        str | None, typer.Option(help="whose classifier scores the images  [default: real, if there is one]")
    ] = None,
    gan: Annotated[int, typer.Option(metavar="N", help="of a run with several GANs: whose images")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write the images on the way from one to another, or those that a classifier calls as wished."""
    from gan_aug.synthesis.latent_images import check_out

    check_out(out)
    only_walks = {"--to-seed": to_seed, "--to-truncation": to_truncation, "--steps": steps}
    only_cases = {"--of": of, "--tolerance": tolerance, "--count": count, "--search": search}
    first, last = _ends(label, start, end)
    if confidence is None:
        _refuse(only_cases, "--confidence")
        if first == last and to_seed is None and to_truncation is None:
            raise ConfigError("nothing changes: give --from and --to, --to-seed, --to-truncation, or --confidence")
        made, classifier = _walk(
            api.open(folder),
            arm,
            gan,
            (first, seed, truncation),
            (last, seed if to_seed is None else to_seed, truncation if to_truncation is None else to_truncation),
            number,
            8 if steps is None else steps,
        )
    else:
        _refuse(only_walks, "a way from one image to another, not with --confidence")
        tools = api.open(folder).latent_tools(arm or "real", gan)
        with shown_progress() as listener:
            made = tools.cases_at(
                _named(last, tools.generator),
                confidence,
                of=of,
                start=_named(first, tools.generator) if start else None,
                tolerance=0.05 if tolerance is None else tolerance,
                count=1 if count is None else count,
                seed=seed,
                first=number,
                images=256 if search is None else search,
                truncation=truncation,
                progress=listener,
            )
        classifier = tools.classifier
    made.save(out)
    _show(made, classifier, out, as_json)


def _walk(
    run: api.Run,
    arm: str | None,
    gan: int,
    start: tuple[list[str], int, float],
    end: tuple[list[str], int, float],
    number: int,
    steps: int,
) -> tuple[LatentImages, KeptClassifier | None]:
    """The images between two ends (labels, seed, truncation), scored if there is a classifier; and that classifier."""
    generator = run.generator(gan=gan)
    begin, finish = (
        generator.latent(_named(labels, generator), seed, first=number, truncation=truncation)
        for labels, seed, truncation in (start, end)
    )
    tools = None
    try:
        tools = run.latent_tools(arm or "real", gan)
    except DataError:
        if arm:
            raise
    made = generator.between(begin, finish, steps)
    return (tools.score(made), tools.classifier) if tools else (made, None)


def _ends(label: list[str] | None, start: list[str] | None, end: list[str] | None) -> tuple[list[str], list[str]]:
    """The labels at both ends of the way; they are equal if only one label was named."""
    if label and not (start or end):
        return label, label
    if start and end and not label:
        return start, end
    raise ConfigError("give the label of all images by --label, or the labels at both ends by --from and --to")


def _refuse(options: Mapping[str, object], belongs_to: str) -> None:
    """Raise ConfigError if one of the options was given."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"{given[0]} goes with {belongs_to}")


def _named(labels: list[str], generator: TrainedGenerator) -> str | list[str]:
    """The labels as the generator takes them."""
    if labels == [NO_LABEL] and NO_LABEL not in generator.labels and generator.checkpoint.task == "multi-label":
        return []
    return labels[0] if len(labels) == 1 else labels


def _show(made: LatentImages, classifier: KeptClassifier | None, out: Path, as_json: bool) -> None:
    """Print what was made; raises DataError if there are fewer cases than were asked for."""
    if as_json:
        said = json.dumps({"out": str(out), **made.to_json()}, ensure_ascii=False, indent=2)
    else:
        lines = [", ".join(filter(None, made.caption(k))) for k in range(len(made))]
        note = [classifier.describe()] if classifier else []
        said = "\n".join([*lines, *note, f"{len(made)} images in {out}, by the checkpoint {made.checkpoint}"])
    print(said)  # noqa: T201 - this is the terminal
    if made.search and made.search["found"] < made.search["count"]:
        raise DataError(
            f"{made.search['found']} of {made.search['count']} cases were found, and written: try more images by "
            "--search, another --seed, or a wider --tolerance"
        )
