"""Starts a verb on the chosen machines: in this process and its pool, on Ray, or as a rank of torchrun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gan_aug.compute.cores import wait_passively
from gan_aug.compute.executor import Executor
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.local.torchrun import TorchrunExecutor, launched
from gan_aug.config import Config
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.stages import Verb
from gan_aug.privacy.record import verdict
from gan_aug.run import layout
from gan_aug.run.events import Listener
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir, is_further_set
from gan_aug.run.signals import stopped_by_signals
from gan_aug.stages.audit.places import audit_at
from gan_aug.stages.context import saved_gan, saved_request, saved_storage
from gan_aug.stages.gans.parts import gan_count
from gan_aug.stages.trained.further import Counts, FurtherSet, plan_bundle_set, plan_further_set
from gan_aug.stages.verbs import redraw, start, start_together


def launch(
    verb: Verb,
    request: Config,
    folder: Path,
    on: Literal["local", "ray"],
    listeners: tuple[Listener, ...],
    *,
    stop_on_signals: bool,
) -> None:
    """Run a verb in a run folder, to its end.

    Args:
        verb: One of VERBS.
        request: The config.
        folder: The run folder.
        on: This machine, or the Ray cluster of `compute.address`.
        listeners: Are called with each event; under torchrun, only in the first rank.
        stop_on_signals: Whether the first SIGINT or SIGTERM ends the run at its next safe point.

    Raises:
        GanAugError: What the verb raises.
    """
    wait_passively()
    together = TorchrunExecutor(request.compute.workers, request.compute.device) if launched() else None
    follows = together is not None and together.rank > 0
    # Ray's workers have a working directory of their own.
    run = RunDir(folder.absolute() if on == "ray" else folder, () if follows else listeners)
    with ExitStack() as stack:
        executor = stack.enter_context(together or _executor(on, request.compute, run))
        if stop_on_signals:
            stack.enter_context(stopped_by_signals(run))
        if together:
            start_together(verb, request, run, together)
        else:
            start(verb, request, run, executor)


def launch_further_set(
    folder: Path,
    counts: Counts,
    seed: int | None,
    out: Path | None,
    on: Literal["local", "ray"],
    listeners: tuple[Listener, ...],
    *,
    gan: int = 0,
    stop_on_signals: bool,
) -> Path:
    """Make a further synthetic set of a GAN in a run folder, on the machines that its config names.

    Args:
        folder: The run folder.
        counts: Images of each label.
        seed: Of the images; None is the first one after the run's own.
        out: The folder of the set; None is one in the run folder, named by the seed.
        on: As for `launch`.
        listeners: Are called with each event.
        gan: The number of the GAN.
        stop_on_signals: As for `launch`.

    Returns:
        The folder of the set.

    Raises:
        GanAugError: What `plan_further_set` and `FurtherSet.make` raise.
    """
    compute, own = saved_request(folder)[1].compute, saved_gan(folder, gan)
    wanted = plan_further_set(saved_storage(folder), own, counts, seed)
    place = out or folder / layout.gan_folder(gan) / layout.SETS / layout.further_set(wanted.synthesis.seed)
    # Workers write to the set's folder, also if the run keeps its own files in a store.
    compute = compute.model_copy(update={"storage": None})
    _make_set(wanted, place, on, compute, listeners, stop_on_signals=stop_on_signals)
    write_json(place / layout.SET_RUN, {"run": str(folder.absolute())})  # an audit needs its images
    return place


def launch_bundle_set(
    bundle: Path,
    counts: int | Mapping[str, int],
    seed: int,
    out: Path,
    listeners: tuple[Listener, ...],
    *,
    stop_on_signals: bool,
) -> Path:
    """Make a synthetic set with the generator in a bundle, on this machine.

    Args:
        bundle: The folder of the bundle.
        counts: Images of each label.
        seed: Of the images.
        out: The folder of the set.
        listeners: Are called with each event.
        stop_on_signals: As for `launch`.

    Returns:
        The folder of the set.

    Raises:
        GanAugError: What `plan_bundle_set` and `FurtherSet.make` raise.
    """
    wanted = plan_bundle_set(bundle, counts, seed)
    _make_set(wanted, out, "local", ComputeConfig(), listeners, stop_on_signals=stop_on_signals)
    return out


def _make_set(
    wanted: FurtherSet,
    place: Path,
    on: Literal["local", "ray"],
    compute: ComputeConfig,
    listeners: tuple[Listener, ...],
    *,
    stop_on_signals: bool,
) -> None:
    wanted.check_folder(place)
    made = RunDir(place.absolute() if on == "ray" else place, listeners)
    with ExitStack() as stack:
        executor = stack.enter_context(_executor(on, compute, made))
        if stop_on_signals:
            stack.enter_context(stopped_by_signals(made))
        wanted.make(made, executor, compute.device)


def launch_audit(
    folder: Path,
    gan: int | None,
    of: Path | None,
    listeners: tuple[Listener, ...],
    *,
    stop_on_signals: bool,
) -> list[dict[str, Any]]:
    """Audit the sets in a folder, which is that of a run or of a further set, and write a run's report again.

    Args:
        folder: The folder.
        gan: The number of the GAN whose set is audited; None for all.
        of: The run folder of a further set's GAN; None is the one around it.
        listeners: Are called with each event.
        stop_on_signals: As for `launch`.

    Returns:
        What `audit.json` of each says.

    Raises:
        GanAugError: What `audit_at` raises.
    """
    run, further = RunDir(folder, listeners), is_further_set(folder)
    request = None if further else saved_request(folder)[1]
    gans = [gan or 0] if request is None or gan is not None else [*range(gan_count(request.compare))]
    found = []
    with ExitStack() as stack:
        if stop_on_signals:
            stack.enter_context(stopped_by_signals(run))
        with run.locked():
            for number in gans:
                run.emit("audit", "start", f"comparing the images in {folder} with those of the training")
                progress = partial(_progress, run)
                found.append(audit_at(folder, number, of=of, progress=progress, cancelled=run.cancelled))
                run.emit("audit", "finish", verdict(found[-1]))
    if request and (folder / layout.REPORT).exists():
        redraw(request, run)
    return found


def _progress(run: RunDir, done: int, total: int) -> None:
    run.emit("audit", "progress", done=done, total=total, unit="images")


@contextmanager
def _executor(on: Literal["local", "ray"], compute: ComputeConfig, run: RunDir) -> Iterator[Executor]:
    """The executor for `on`, for the length of a block."""
    if on == "ray":
        from gan_aug.compute.cluster.executor import ray_executor

        # With a store no worker needs the run folder.
        shared = None if compute.storage else run.path
        with ray_executor(compute, shared, partial(run.emit, "ray", "note")) as executor:
            yield executor
    else:
        with LocalExecutor(compute.workers, compute.device) as local:
            yield local
