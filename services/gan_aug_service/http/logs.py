"""Logs for machines: one JSON object a line on stderr, without keys, tokens or bodies."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

SERVICE_LOGGER = "gan_aug_service"
STANDARD_ATTRIBUTES = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, event and the values given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line: text from outside cannot begin another line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        # Libraries add attributes of their own to every record, such as Ray's _ray_timestamp_ns.
        line |= {key: value for key, value in vars(record).items() if key not in STANDARD_ATTRIBUTES and key[0] != "_"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def install(stream: TextIO = sys.stderr) -> None:
    """Send the service's log, and the web server's warnings, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, level in ((SERVICE_LOGGER, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
