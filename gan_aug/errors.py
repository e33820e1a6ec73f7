"""Every error that this project raises.

::

    GanAugError                 exit  HTTP
    ├── ConfigError               2    422   lists all faults with their dotted paths
    ├── DataError                 3    422   images, labels or tables that cannot be used
    │   ├── ManifestError         3    422   a manifest that is absent, incomplete or altered
    │   └── LeakageError          3    409   a validation or test image was seen in training
    ├── CheckpointError           4    409   absent, incomplete, or made for other data
    ├── RunConflict               4    409   the run folder holds another request, or is in use
    ├── TrainingDiverged          5    500   a loss is not finite, noticed before the update
    ├── ComputeError              6    503   a worker died, or the machine cannot do what was asked
    │   └── RankLost              6    503   another process of the same training is gone: start again
    ├── ReleaseRefused            7    409   the privacy audit does not allow the release
    ├── StorageError              8    507   disk full, read-only, folder unreachable
    └── Cancelled               130    409   stopped on request

Each takes a single positional argument, so that it can be pickled and sent between processes. It is a sentence that
names the thing, the value and the way out. Exit code 1 means a fault of this program.
"""

from __future__ import annotations


class GanAugError(Exception):
    """The base class: an error with a sentence for the user."""

    exit_code = 1
    http_status = 500


class ConfigError(GanAugError):
    """The config is not valid; the message lists every fault with its dotted path."""

    exit_code = 2
    http_status = 422


class DataError(GanAugError):
    """Images, labels or tables that cannot be used as they are."""

    exit_code = 3
    http_status = 422


class ManifestError(DataError):
    """A manifest that is absent, incomplete, altered or of another kind."""


class LeakageError(DataError):
    """A validation or test image, or its patient, was seen in training."""

    http_status = 409


class CheckpointError(GanAugError):
    """A checkpoint that is absent, incomplete or made for other data."""

    exit_code = 4
    http_status = 409


class RunConflict(GanAugError):
    """The run folder holds a different request, or another process is using it."""

    exit_code = 4
    http_status = 409


class TrainingDiverged(GanAugError):
    """A loss or a gradient is not finite; noticed before the update, so the last checkpoint is good."""

    exit_code = 5


class ComputeError(GanAugError):
    """A worker died, or the machine cannot do what was asked of it."""

    exit_code = 6
    http_status = 503


class RankLost(ComputeError):
    """Another process of the same training is gone; the launcher starts all processes again."""


class ReleaseRefused(GanAugError):
    """The privacy audit does not allow the release."""

    exit_code = 7
    http_status = 409


class StorageError(GanAugError):
    """The disk or the object store is full, read-only or unreachable."""

    exit_code = 8
    http_status = 507


class Cancelled(GanAugError):
    """The run was stopped on request; everything on disk is complete, and the run can be resumed."""

    exit_code = 130
    http_status = 409
