"""Keep pydicom's messages from the user: its warnings and log lines quote header values, which may name a patient."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suppress_messages() -> Iterator[list[warnings.WarningMessage]]:
    """Suppress pydicom's warnings and log lines; the list that it yields collects the warnings, to be counted."""
    from pydicom import config  # noqa: TID251

    logger = logging.getLogger("pydicom")
    before, mode = logger.disabled, config.settings.reading_validation_mode
    logger.disabled = True
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        logger.disabled = before
        config.settings.reading_validation_mode = mode
