"""Start a run, go on with one, open one, or say what a start would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from gan_aug import config as configs
from gan_aug.api.opened import Run, Where
from gan_aug.config import Config
from gan_aug.config.stages import Verb
from gan_aug.errors import ConfigError
from gan_aug.run import layout
from gan_aug.run.events import Listener
from gan_aug.run.progress import default_listener
from gan_aug.run.title import write_title


def run(
    config: str | Path | Mapping[str, Any] | Config,
    folder: str | Path,
    *,
    on: Where = "local",
    set: Sequence[str] = (),  # noqa: A002 - as --set on the command line
    verb: Verb = "run",
    title: str | None = None,
    progress: Listener | None = None,
    stop_on_signals: bool = False,
) -> Run:
    """Run a config in a run folder. Called again with the same, it goes on from what is whole there.

    Work is spread over processes that import the caller's script anew, so a script calls this below
    `if __name__ == "__main__":`; a notebook needs nothing of the kind.

    Args:
        config: A YAML file, nested values as such a file has them, or a Config.
        folder: The run folder, made if it is not there.
        on: "local", or "ray" for the cluster that `compute.address` names.
        set: Further values as `section.key=value`, such as `train.images=1000`.
        verb: What to do: "run" does all stages; "import", "train", "generate" and "compare" do theirs.
        title: What the run is called, in place of an earlier title; its report begins with it.
        progress: Is called with each Event. Without it lines are printed on stderr in an interactive session.
        stop_on_signals: Whether the first Ctrl-C or SIGTERM ends the run at its next safe point, and not at once.

    Returns:
        The run.

    Raises:
        ConfigError: If the config has faults, all of which are listed.
        RunConflict: If the folder holds another run, or another process works in it.
        GanAugError: For what else may go wrong; see `gan_aug.errors`.
    """
    from gan_aug.stages.launch import launch

    request = configs.read(config, tuple(set))
    if title is not None:
        write_title(Path(folder), title)
    launch(_known(verb), request, Path(folder), on, (progress or default_listener(),), stop_on_signals=stop_on_signals)
    return Run(folder)


def resume(
    folder: str | Path,
    *,
    origin: str | None = None,
    on: Where = "local",
    progress: Listener | None = None,
    stop_on_signals: bool = False,
) -> Run:
    """Go on with the last start in a run folder, from what is whole in it.

    Args:
        folder: The run folder.
        origin: The run's prefix in a store, if the folder is new and the run is to go on in it.
        on: As for `run`.
        progress: As for `run`.
        stop_on_signals: As for `run`.

    Returns:
        The run.

    Raises:
        RunConflict: If the folder holds no run, or another process works in it.
        GanAugError: For what else may go wrong; see `gan_aug.errors`.
    """
    from gan_aug.stages.storage import adopt

    if origin:
        adopt(Path(folder), origin)
    return Run(folder).resume(on=on, progress=progress, stop_on_signals=stop_on_signals)


def open(folder: str | Path) -> Run:  # noqa: A001 - it is called as gan_aug.open
    """The run in a folder; raises RunConflict if it is no run folder."""
    return Run(folder)


def plan(config: str | Path | Mapping[str, Any] | Config, folder: str | Path, *, verb: Verb = "run") -> dict[str, Any]:
    """What `run` would do with the same arguments, as JSON values; nothing is left behind but the user's cache.

    Images are imported for a look: all of them, or a sample of large sets. Raises what `run` would raise before it
    trains.
    """
    from gan_aug.stages.dry_run.plan import dry_run

    return dry_run(_known(verb), configs.read(config), Path(folder))


def inspect(folder: str | Path) -> dict[str, Any]:
    """What was imported, as JSON values, and a contact sheet of each class drawn beside the images.

    `folder` is a run folder, or its `dataset` folder. Raises DataError if nothing was imported there.
    """
    from gan_aug.data.importing.inspect import inspect_dataset
    from gan_aug.stages.context import saved_storage

    if (Path(folder) / layout.STORAGE).exists():
        saved_storage(Path(folder)).pull_dataset()
    return inspect_dataset(Path(folder))


def _known(verb: Verb) -> Verb:
    if verb not in get_args(Verb):
        raise ConfigError(f"there is no verb {verb!r}: known are {', '.join(get_args(Verb))}")
    return verb
