"""The command line over `gan_aug.api`: result on stdout, progress and log on stderr, a sentence for a user's fault."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug import config as configs
from gan_aug.cli import latent
from gan_aug.cli.audit import in_words, raise_refused
from gan_aug.cli.cache import cache
from gan_aug.cli.export import export
from gan_aug.cli.predict import predict
from gan_aug.cli.progress import shown_progress
from gan_aug.cli.report import report, result_of
from gan_aug.cli.sets import further_set, parsed_counts, set_of_bundle
from gan_aug.cli.submit import submit
from gan_aug.compute.cores import wait_passively
from gan_aug.compute.local.torchrun import launched
from gan_aug.config.stages import Verb
from gan_aug.errors import Cancelled, ConfigError, GanAugError
from gan_aug.version import __version__

app = typer.Typer(
    help="Train a GAN on labelled images, make a synthetic set, compare AUC on real, synthetic and mixed data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; see configs/", show_default=False)]
RunOption = Annotated[
    Path | None, typer.Option("--run", metavar="DIR", help="run folder  [default: runs/ and the config's name]")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override one key, e.g. train.images=10000")
]
TitleOption = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help="what the run is called; the report begins with it")
]
OnOption = Annotated[api.Where, typer.Option("--on", help="this machine, or Ray (compute.address)")]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="look at the images, say what would be done, and do nothing")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
GanOption = Annotated[
    int | None, typer.Option(metavar="N", help="of a run with several GANs (compare.gans): whose images  [default: 0]")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="a run folder", show_default=False)]


def _verb(name: Verb, summary: str) -> None:
    def command(
        config: ConfigFile,
        run: RunOption = None,
        overrides: SetOption = None,
        title: TitleOption = None,
        on: OnOption = "local",
        dry_run: DryOption = False,
        as_json: JsonOption = False,
    ) -> None:
        _start(name, config, run, overrides, on, dry_run, as_json, title)

    command.__doc__ = summary
    app.command(name)(command)


_verb("run", "All stages: import, train, generate, compare; ends with a report.")
_verb("import", "Import the images: read, resize, split, write down.")
_verb("train", "Train the GAN on the training split (imports first if needed).")
_verb("compare", "Train the arms' classifiers (real, synthetic, mixed and controls) and write the report.")


def _start(
    name: Verb,
    config: Path,
    run: Path | None,
    overrides: list[str] | None,
    on: api.Where,
    dry_run: bool,
    as_json: bool,
    title: str | None = None,
) -> None:
    """Run a verb, or say what it would do, and print the result."""
    request = configs.load(config, tuple(overrides or ()))
    folder = run or Path("runs") / config.stem
    if dry_run:
        _print(api.plan(request, folder, verb=name), as_json)
        return
    with shown_progress() as listener:
        done = api.run(request, folder, on=on, verb=name, title=title, progress=listener, stop_on_signals=True)
    _print_result(done, as_json)


@app.command()
def generate(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG|RUN", help="YAML file, or the run folder of a trained GAN", show_default=False),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--from", metavar="BUNDLE", help="instead: the folder that `export --to bundle` wrote"),
    ] = None,
    run: RunOption = None,
    overrides: SetOption = None,
    counts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=N",
            help="with RUN or BUNDLE: images of a label; N: of every label  [default of RUN: like-real]",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="with RUN or BUNDLE: which images  [default: the next after the run's own; BUNDLE: 0]"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="with RUN or BUNDLE: where to  [default of RUN: RUN/sets/seed-N]")
    ] = None,
    gan: GanOption = None,
    on: OnOption = "local",
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the synthetic set of CONFIG, or a further set with the trained GAN of RUN or BUNDLE."""
    if bundle:
        if source or run or overrides or gan is not None or on != "local" or dry_run:
            raise ConfigError(f"--from {bundle} goes with --counts, --seed, --out and --json alone")
        _print(further_set(set_of_bundle(bundle, counts or [], seed or 0, out), as_json), as_json)
        return
    _generate(_needed(source), run, overrides, counts, seed, out, gan, on, dry_run, as_json)


def _needed(source: Path | None) -> Path:
    if source is None:
        raise ConfigError("generate needs a CONFIG, the run folder of a trained GAN, or --from BUNDLE")
    return source


def _generate(
    source: Path,
    run: Path | None,
    overrides: list[str] | None,
    counts: list[str] | None,
    seed: int | None,
    out: Path | None,
    gan: int | None,
    on: api.Where,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the set of a config, or a further set of a run."""
    if not source.is_dir():
        if counts or seed is not None or out or gan is not None:
            raise ConfigError(
                f"{source} is no run folder, which --counts, --seed, --out and --gan need: for a config set "
                "synthesis.counts and synthesis.seed by --set"
            )
        _start("generate", source, run, overrides, on, dry_run, as_json)
        return
    if run or overrides or dry_run:
        raise ConfigError(f"{source} is a run folder: --run, --set and --dry-run go with a config file")
    with shown_progress() as listener:
        made = api.open(source).generate(
            parsed_counts(counts or []),
            seed=seed,
            out=out,
            gan=gan or 0,
            on=on,
            progress=listener,
            stop_on_signals=True,
        )
    _print(further_set(made, as_json), as_json)


app.command(help=latent.HELP)(latent.latent)
app.command()(submit)


@app.command()
def resume(
    folder: Folder,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="the run's prefix in a store, if DIR is new")
    ] = None,
    on: OnOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Go on with the last start in a run folder, from what is whole in it."""
    with shown_progress() as listener:
        done = api.resume(folder, origin=origin, on=on, progress=listener, stop_on_signals=True)
    _print_result(done, as_json)


app.command()(export)


@app.command()
def audit(
    source: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|RUN|SET", help="YAML file, run folder, or a further set", show_default=False),
    ],
    run: RunOption = None,
    overrides: SetOption = None,
    gan: Annotated[
        int | None, typer.Option(metavar="N", help="of a run with several GANs: whose set  [default: all]")
    ] = None,
    of: Annotated[
        Path | None, typer.Option(metavar="RUN", help="of a SET: run folder of its GAN  [default: the one around it]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare synthetic images with the training images: copies, membership, and whether they may be released."""
    if not source.is_dir():
        if gan is not None or of:
            raise ConfigError(f"{source} is no folder, which --gan and --of need")
        _start("audit", source, run, overrides, "local", dry_run=False, as_json=as_json)
        return
    if run or overrides:
        raise ConfigError(f"{source} is a folder: --run and --set go with a config file")
    with shown_progress() as listener:
        records = api.audit(source, gan, of=of, progress=listener, stop_on_signals=True)
    _print(records if as_json else in_words(records), as_json)
    raise_refused(records)


app.command()(predict)


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a run folder, or its dataset folder")],
    as_json: JsonOption = False,
) -> None:
    """Say what was imported, and draw a contact sheet of each class to look at before training."""
    _print(api.inspect(folder), as_json)


app.command()(report)
app.command()(cache)


@app.command()
def verify(
    folder: Folder,
    quick: Annotated[
        bool, typer.Option("--quick", help="score some test images again with each classifier, not all")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute the provenance chain and results of a run from its files, and say where it breaks; alters nothing."""
    with shown_progress() as listener:
        chain = api.open(folder).verify(listener, quick=quick)
    _print(chain.to_json() if as_json else chain.to_text(), as_json)
    chain.raise_broken()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def serve(context: typer.Context) -> None:
    """Start the REST service; `gan-aug serve --help` lists its options."""
    try:
        from gan_aug_service import server
    except ImportError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'gan-aug[serve]'") from error
    server.main(context.args)


@app.command("show-config")
def show_config(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="YAML file", show_default=False)] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON schema of every config instead")] = False,
) -> None:
    """Print a config with every default spelt out; without one, that of the digits."""
    if schema:
        _print(configs.Config.model_json_schema(), as_json=True)
        return
    extra = tuple(overrides or ())
    request = configs.load(config, extra if config else ("data.source=digits", *extra))
    _print(configs.dump(request) if as_json else configs.to_yaml(request).rstrip(), as_json)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    if version:
        _print(f"gan-aug {__version__}", as_json=False)
        raise typer.Exit


def main() -> None:
    """Run the command line; every fault of the user's ends in one sentence and its exit code."""
    wait_passively()
    try:
        app()
    except GanAugError as error:
        print(f"gan-aug: {error}", file=sys.stderr)  # noqa: T201 - this is the terminal
        # torchrun would restart a process that ends with another code than 0, though it was told to stop.
        sys.exit(0 if isinstance(error, Cancelled) and launched() else error.exit_code)
    except KeyboardInterrupt:
        sys.exit(Cancelled.exit_code)
    except Exception:  # noqa: BLE001 - the last door: whatever is left is a fault of gan-aug
        traceback.print_exc()
        print("gan-aug: this is a fault of gan-aug; please report it with the lines above", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _print_result(done: api.Run, as_json: bool) -> None:
    """Print the result of a finished verb; under torchrun only the first rank does."""
    if not launched() or os.environ["RANK"] == "0":
        _print(result_of(done.verb, done.folder, as_json), as_json)


def _print(value: Any, as_json: bool) -> None:
    if isinstance(value, str):
        text = value
    elif as_json:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    else:
        text = configs.yaml_text(value)
    print(text)  # noqa: T201 - this is the terminal
