"""A run folder, opened: its config, its results, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gan_aug.api.released import Released
from gan_aug.config import Config
from gan_aug.config.stages import Verb
from gan_aug.errors import ConfigError
from gan_aug.run import layout
from gan_aug.run.events import Event, Kind, Listener
from gan_aug.run.folder import RunDir, present_products
from gan_aug.run.progress import default_listener

if TYPE_CHECKING:
    from gan_aug.api.sets import SyntheticSet
    from gan_aug.data.manifest import Manifest, Split
    from gan_aug.data.torch_dataset import LabelledImages
    from gan_aug.evaluation.outcome.report import Report
    from gan_aug.stages.predict import Predictions
    from gan_aug.stages.storage import RunStorage
    from gan_aug.stages.trained.further import Counts
    from gan_aug.stages.trained.latents import LatentTools
    from gan_aug.synthesis.generator import TrainedGenerator
    from gan_aug.verification.chain import Chain

Where = Literal["local", "ray"]
"""Where the work runs: on this machine, or on the Ray cluster that `compute.address` names."""


class Run(Released):
    """A run folder: its config and its results.

    A result that does not exist yet is None, or raises an error that says how to make it. Everything is read from disk
    at each access, so a run that goes on in another process is seen as it is now.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open the run in `folder`; raises RunConflict if it is no run folder."""
        self.folder = RunDir.existing(Path(folder)).path

    def __repr__(self) -> str:
        made = [name for name, there in present_products(self.folder).items() if there]
        return f"<run in {self.folder}: {', '.join(made) or 'nothing made yet'}>"

    def _repr_html_(self) -> str:
        """The arms' AUCs as a table, for a notebook."""
        report = self.report
        rows = report.arms.items() if report else ()
        cells = "".join(
            f"<tr><th>{escape(name)}</th><td>{arm.auc.value:.3f}</td>"
            f"<td>{arm.auc.ci95[0]:.3f} to {arm.auc.ci95[1]:.3f}</td></tr>"
            for name, arm in rows
        )
        table = f"<table><tr><th>arm</th><th>AUC</th><th>95 % interval</th></tr>{cells}</table>" if report else ""
        return f"<p>{escape(repr(self)[1:-1])}</p>{table}"

    @property
    def verb(self) -> Verb:
        """The verb of the last start."""
        return self._saved()[0]

    @property
    def config(self) -> Config:
        """The config of the last start."""
        return self._saved()[1]

    @property
    def manifest(self) -> Manifest:
        """The studies of the imported data set; raises ManifestError if there is none yet, or it was altered."""
        from gan_aug.data.manifest import Manifest

        return Manifest.load(self._dataset() / layout.MANIFEST)

    @property
    def report(self) -> Report | None:
        """The comparison's report as typed values, None if there is none yet; its `raw` is all of `report.json`."""
        from gan_aug.evaluation.outcome.report import Report

        path = self.folder / layout.REPORT
        return Report.load(path) if path.exists() else None

    def images(self, split: Split) -> LabelledImages:
        """The real images of a split as a map-style `torch.utils.data.Dataset`; see LabelledImages for its items.

        Args:
            split: "train", "validation", "test", or "internal_test" if the data set has one.

        Returns:
            The images in the manifest's order.

        Raises:
            ConfigError: If there is no such split.
            ManifestError: If nothing was imported yet, or it was altered.
        """
        from gan_aug.data.image_store import open_images
        from gan_aug.data.torch_dataset import LabelledImages

        manifest = self.manifest
        if split not in manifest.splits:
            raise ConfigError(f"there is no split {split!r}: the splits are {', '.join(manifest.splits)}")
        rows = manifest.indices(split)
        opened = partial(open_images, self.folder.absolute() / layout.DATASET, manifest)
        return LabelledImages(opened, rows, manifest.label_matrix()[rows], manifest.labels, manifest.task)

    def synthetic_images(self, gan: int = 0) -> LabelledImages:
        """The synthetic set of a GAN as a map-style `torch.utils.data.Dataset`; see LabelledImages for its items.

        `gan` is the GAN's number, from 0. Raises ManifestError if there is no set yet, or it was altered.
        """
        import numpy as np

        from gan_aug.data.synthetic.shards import SyntheticManifest, open_shards
        from gan_aug.data.torch_dataset import LabelledImages
        from gan_aug.run.stores import below

        place = self._gan(gan).synthetic
        made = SyntheticManifest.load(below(place, layout.MANIFEST))
        matrix = made.label_matrix()
        return LabelledImages(partial(open_shards, place, made), np.arange(len(matrix)), matrix, made.labels, made.task)

    def generator(self, device: str = "cpu", gan: int = 0) -> TrainedGenerator:
        """The generator of GAN `gan`, of the best checkpoint if any was scored; raises CheckpointError without one."""
        from gan_aug.synthesis.generator import load_generator

        own = self._gan(gan)
        own.pull_training()
        return load_generator(own.folder, device)

    def latent_tools(self, arm: str = "real", gan: int = 0, device: str = "cpu") -> LatentTools:
        """The generator of a GAN together with a classifier of the comparison: cases that it calls as one wishes.

        Args:
            arm: Whose classifier, that of the arm's first seed.
            gan: The number of the GAN.
            device: Where images are made: cpu, cuda, or auto.

        Returns:
            The tools.

        Raises:
            CheckpointError: If nothing was trained yet.
            DataError: If there is no such classifier.
        """
        from gan_aug.stages.trained.latents import open_tools

        return open_tools(self.folder, self.generator(device, gan), arm)

    def generate(
        self,
        counts: Counts = "like-real",
        *,
        seed: int | None = None,
        out: str | Path | None = None,
        gan: int = 0,
        on: Where = "local",
        progress: Listener | None = None,
        stop_on_signals: bool = False,
    ) -> SyntheticSet:
        """Make a further synthetic set with a trained GAN, in a folder of its own.

        Image k depends on the seed, k and its label alone, as in the run's own set and in `TrainedGenerator.sample`.
        Called again with the same values, it goes on from what is whole in the folder.

        Args:
            counts: A number for each label (others get none), one number for all, or "like-real": as many as in the
                training split.
            seed: Not that of the run's own set, whose images it would make again. By default the next one.
            out: The folder, which must be empty or not there; by default `sets/seed-N` in the run folder, and for GAN N
                from 1 on in `gans/N`.
            gan: The number of the GAN.
            on: As for `gan_aug.run`.
            progress: As for `gan_aug.run`.
            stop_on_signals: As for `gan_aug.run`.

        Returns:
            The set.

        Raises:
            CheckpointError: If there is no GAN that was trained to the end.
            ConfigError: If there is no such label, or the seed is that of the run's own set.
            StorageError: If the folder holds other files.
        """
        from gan_aug.api.sets import SyntheticSet
        from gan_aug.stages.launch import launch_further_set

        listeners, place = (progress or default_listener(),), Path(out) if out else None
        return SyntheticSet(
            launch_further_set(
                self.folder, counts, seed, place, on, listeners, gan=gan, stop_on_signals=stop_on_signals
            )
        )

    def predict(
        self,
        images: Sequence[str | Path],
        arm: str = "real",
        *,
        picture: str | Path | None = None,
        table: str | Path | None = None,
        progress: Listener | None = None,
    ) -> Predictions:
        """Label new images with a classifier of the comparison, that of the arm's first seed.

        A file that cannot be read is a row with its `error`, and the others go on. An image that is `unlike` the
        training images is told; `likeness` of the result says how the limit was set.

        Args:
            images: Image or DICOM files, brought to the data set's size and grey range as its own images were; and
                folders, in which all such files are taken at any depth.
            arm: Whose classifier: real, synthetic, mixed, ...
            picture: A PNG to draw the first images to, each with its probabilities; none by default.
            table: A CSV to write all rows to; none by default.
            progress: Is called with an Event for each file.

        Returns:
            A row for each image, and for each frame of a file with several.

        Raises:
            DataError: If there is no such classifier, or a folder without images.
        """
        from gan_aug.stages.predict import predict_files

        tell = progress or default_listener()

        def report(done: int, total: int) -> None:
            kind: Kind = "progress" if done else "start"
            tell(Event("predict", kind, "" if done else f"reading {total:,} files", done, total, "files"))

        return predict_files(
            RunDir.existing(self.folder),
            [Path(image) for image in images],
            arm,
            Path(picture) if picture else None,
            Path(table) if table else None,
            report,
        )

    def verify(self, progress: Listener | None = None, *, quick: bool = False) -> Chain:
        """Compute the provenance chain again from the files, and where it breaks; nothing is altered.

        Every test and validation image is scored again with the kept weights of each classifier. With `quick` only some
        images are, drawn anew at each call. `chain.raise_broken()` raises the error of the first broken link.
        """
        from gan_aug.verification.run import verify_run

        tell = progress or default_listener()
        tell(Event("verify", "start", f"reading the files of {self.folder} again"))
        return verify_run(
            self._storage(), lambda unit, at, of: tell(Event("verify", "progress", "", at, of, unit)), quick=quick
        )

    def resume(self, *, on: Where = "local", progress: Listener | None = None, stop_on_signals: bool = False) -> Run:
        """Go on with the last start, from what is whole in the folder; see `gan_aug.resume`."""
        from gan_aug.stages.launch import launch

        verb, request = self._saved()
        launch(verb, request, self.folder, on, (progress or default_listener(),), stop_on_signals=stop_on_signals)
        return self

    def write_report(self, *, pdf: bool = False, progress: Listener | None = None) -> Report:
        """Write the report of a finished comparison again, training nothing.

        Args:
            pdf: Whether to print the page to `report.pdf` too, by Chromium or WeasyPrint.
            progress: As for `run`.

        Returns:
            The report.

        Raises:
            CheckpointError: If something that the report rests on is not there whole.
            ConfigError: If nothing is installed that prints a PDF.
        """
        from gan_aug.evaluation.outcome.report import Report
        from gan_aug.report.pages.pdf import find_printer, write_pdf
        from gan_aug.stages.verbs import redraw

        if pdf:
            find_printer()  # before the work
        redraw(self.config, RunDir(self.folder, (progress or default_listener(),)))
        if pdf:
            write_pdf(self.folder / layout.REPORT_PAGE, self.folder / layout.REPORT_PDF)
        return Report.load(self.folder / layout.REPORT)

    def _saved(self) -> tuple[Verb, Config]:
        from gan_aug.stages.context import saved_request

        return saved_request(self.folder)

    def _storage(self) -> RunStorage:
        from gan_aug.stages.context import saved_storage

        return saved_storage(self.folder)

    def _gan(self, gan: int) -> RunStorage:
        from gan_aug.stages.context import saved_gan

        return saved_gan(self.folder, gan)

    def _dataset(self) -> Path:
        """The folder of the data set, which is fetched first if it is only in the run's store."""
        self._storage().pull_dataset()
        return self.folder / layout.DATASET
