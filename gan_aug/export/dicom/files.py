"""Export to DICOM: a file for each case in a folder for each class, and a table of all images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from gan_aug.config.export import ExportOptions
from gan_aug.data.labels import folder_names
from gan_aug.errors import ConfigError, GanAugError
from gan_aug.export.folder import ImageFile, Numbers, Sums

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.export.dicom.case import Case, Cases
    from gan_aug.export.dicom.template import Template


class DicomFiles:
    """The cases of a set as `LABEL/INDEX.dcm`, and `manifest.csv` with a row for each image."""

    table: ClassVar[str] = "manifest.csv"
    columns: ClassVar[Sequence[str]] = (
        "file", "frame", "label", "index", "seed", "checkpoint", "patient_id", "study_uid", "series_uid",
        "sop_instance_uid", "sha256",
    )  # fmt: skip

    def __init__(self, manifest: SyntheticManifest, options: ExportOptions) -> None:
        """See ImageFiles.

        Raises ConfigError if pydicom or a compressor is not installed, or a label does not fit.
        """
        try:
            from gan_aug.export.dicom.dataset import Origin
            from gan_aug.export.dicom.pixels import PixelWriter
        except ImportError as error:
            raise ConfigError("--to dicom needs pydicom: pip install 'gan-aug[dicom]'") from error

        self._manifest, self._options = manifest, options.dicom
        self._origin = Origin(manifest.seed, manifest.checkpoint)
        self._writer = PixelWriter(manifest.shape, options.dicom)
        self._folders = folder_names(manifest.labels)
        self._names = _names(manifest.labels, options.dicom.names)
        self._classes: dict[tuple[tuple[int, ...], bool], tuple[Cases, Template]] = {}
        for labels in sorted(set(manifest.image_labels)):
            self._class(labels, several=options.dicom.frames > 1)

    def groups(self) -> Sequence[Numbers]:
        """Each image, or as many images with the same labels as a file may have frames; ordered by the first."""
        by_labels = defaultdict(list)
        for index, labels in enumerate(self._manifest.image_labels):
            by_labels[labels].append(index)
        most = self._options.frames
        return sorted(
            tuple(own[first : first + most]) for own in by_labels.values() for first in range(0, len(own), most)
        )

    def uid(self, numbers: Numbers) -> str:
        """The SOP Instance UID of the file of these images."""
        return self._class_of(numbers)[0].of(self._made_from(numbers)).instance_uid

    def _made_from(self, numbers: Numbers) -> Numbers:
        """The numbers that the images at these positions were made from; an audit may have replaced some."""
        return tuple(self._manifest.number(position) for position in numbers)

    def file(self, numbers: Numbers, images: npt.NDArray[np.uint8]) -> ImageFile:
        """See ImageFiles."""
        made, labels = self._manifest, self._manifest.image_labels[numbers[0]]
        cases, template = self._class_of(numbers)
        made_from = self._made_from(numbers)
        case = cases.of(made_from)
        content = template.file(self._own(case, made_from), self._writer.value(images))
        name = f"{'+'.join(self._folders[k] for k in labels) or 'none'}/{numbers[0]:08d}.dcm"
        label, sha256 = "|".join(made.labels[k] for k in labels), hashlib.sha256(content).hexdigest()
        identity = (case.patient_id, case.study_uid, case.series_uid, case.instance_uid, sha256)
        rows = [
            (name, frame, label, number, made.seed, made.checkpoint, *identity)
            for frame, number in enumerate(made_from, start=1)
        ]
        return ImageFile(name, content, rows)

    def about(self, sums: Sums, audited: str) -> Iterable[tuple[str, bytes]]:
        """None: the headers and the table say it all."""
        del sums, audited
        return ()

    def _own(self, case: Case, numbers: Numbers) -> dict[str, str]:
        from gan_aug.export.dicom.dataset import own_values

        return own_values(case, numbers, self._origin)

    def _class_of(self, numbers: Numbers) -> tuple[Cases, Template]:
        return self._class(self._manifest.image_labels[numbers[0]], several=len(numbers) > 1)

    def _class(self, labels: tuple[int, ...], *, several: bool) -> tuple[Cases, Template]:
        """The cases with these labels, and the template of their files, of several frames or of one."""
        if (labels, several) not in self._classes:
            self._classes[labels, several] = self._new_class(labels, several)
        return self._classes[labels, several]

    def _new_class(self, labels: tuple[int, ...], several: bool) -> tuple[Cases, Template]:
        """As `_class`; that pydicom writes the same is tried on two files whose values have other lengths."""
        import numpy as np

        from gan_aug.data.dicom.pydicom_messages import suppress_messages
        from gan_aug.export.dicom.case import Cases
        from gan_aug.export.dicom.dataset import build_dataset
        from gan_aug.export.dicom.template import Template, by_pydicom

        names = [self._manifest.labels[k] for k in labels]
        cases = Cases(self._manifest, names, self._options)
        label = "|".join(self._names[name] for name in names)
        images = np.zeros((1, *self._manifest.shape), np.uint8)
        tried = []
        for numbers in ((0, 1), (9, 1_000_000, 2_000_000)) if several else ((0,), (1_000_000,)):
            own = self._own(cases.of(numbers), numbers)
            pixels = self._writer.value(images.repeat(len(numbers), axis=0))
            with suppress_messages():  # pydicom warns of what is too long, which is an error here
                dataset = build_dataset(own, label, pixels, self._writer, self._options, self._origin)
            tried.append((own, pixels, dataset))
        template = Template(tried[0][2], tried[0][0])
        own, pixels, dataset = tried[1]
        if template.file(own, pixels) != by_pydicom(dataset):
            raise GanAugError("a DICOM file put together from parts is not what pydicom writes")
        return cases, template


def _names(labels: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """What each label is called in the files; raises ConfigError for a name of no label, or a name used twice."""
    if unknown := sorted(set(renamed) - set(labels)):
        raise ConfigError(f"dicom.names: the set has no label {unknown[0]!r}; it has {', '.join(labels)}")
    names = {label: renamed.get(label, label) for label in labels}
    for label, name in names.items():
        if (other := next(one for one in names if names[one] == name)) != label:
            raise ConfigError(f"dicom.names: {other!r} and {label!r} would both be called {name!r}: keep them apart")
    return names
