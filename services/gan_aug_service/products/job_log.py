"""What a job's process wrote, without what may tell of patients: file names, values, and other programs' lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 1 << 20
"""The end of a log that is read; the rest is left out, and that is said."""

PROGRESS = re.compile(r"(dataset|train|synthetic|audit|compare|import|generate|ray|run): ")
OWN_FAULT = "gan-aug: "
TRACEBACK = re.compile(r"Traceback \(most recent call last\):|During handling of the above|The above exception was the")
FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", (?P<rest>line \d+, in \S+)')
RAISED = re.compile(
    r"(?P<kind>[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Timeout|Iteration|Error_\w*))(: .*)?"
)
LEFT_OUT = "(message left out: it may name a patient)"


def readable_log(path: Path) -> str | None:
    """The end of a job's log with what is known to name no patient; None if there is no log.

    Kept are the lines of the job's stages, which are events too, faults that the job says of itself, and where in the
    code an error was raised, without its message. All else is counted.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            content = file.read()
    except OSError:
        return None
    lines = content.decode(errors="replace").splitlines()
    begin = ["(the beginning is left out)"] if size > MOST_BYTES else []
    return "\n".join([*begin, *_counted(_readable(lines[bool(begin) :])), ""])


def _readable(lines: list[str]) -> Iterator[str | None]:
    """Each line as it may be read; None for one that is left out."""
    frame = tracing = False
    for line in lines:
        was_frame, frame = frame, False
        if TRACEBACK.match(line.strip()):
            tracing = True
            yield line.strip()
        elif tracing and (found := FRAME.fullmatch(line)):
            frame = True
            yield f'  File "{_within_package(found["path"])}", {found["rest"]}'
        elif was_frame and line.startswith("    "):
            yield line  # code, which names no patient
        elif tracing and not line.strip(" ^~|+"):
            yield line
        elif tracing and (raised := RAISED.fullmatch(line.strip())):
            tracing = False
            yield f"{raised['kind']}: {LEFT_OUT}" if ":" in line else raised["kind"]
        elif PROGRESS.match(line) or line.startswith(OWN_FAULT):
            tracing = False
            yield line
        else:
            yield None


def _counted(lines: Iterator[str | None]) -> Iterator[str]:
    hidden = 0
    for line in [*lines, ""]:
        if line is None:
            hidden += 1
            continue
        if hidden:
            yield f"({hidden} line{'s' * (hidden > 1)} left out: they may name a file or a patient)"
        hidden = 0
        yield line


def _within_package(path: str) -> str:
    """A file of the code as seen from the folder that packages are in."""
    parts = Path(path).parts
    for top in ("site-packages", "services"):
        if top in parts:
            return "/".join(parts[parts.index(top) + 1 :])
    return "/".join(parts[parts.index("gan_aug") :]) if "gan_aug" in parts else parts[-1]
