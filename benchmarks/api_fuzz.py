"""Thousands of valid and invalid requests drawn from the OpenAPI document; none may be answered with a 5xx.

    python -m benchmarks.api_fuzz [--cases 100] [--seed 0] [--run DIR]

`--cases` is the number for each operation and each of the two kinds (100 give more than 5,000 in all). Status, media
type and schema of each answer are compared with the document. `--run` is a finished run whose records are asked for;
without it a tiny run is made first. At the first fault it ends with an AssertionError and the request.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from schemathesis import GenerationMode

from gan_aug_service.settings import Limits
from tests.support.service.api_cases import send_cases
from tests.support.service.service_samples import Service, make_run


def main() -> None:
    """Send and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = asked.run or make_run(folder / "run")
        with Service(folder / "state", None, Limits(rate=1e6, burst=10**6)) as service:
            identifier = service.place(run, "default", "admin")
            everything: Counter[int] = Counter()

            def say(operation: str, statuses: Counter[int]) -> None:
                spent = time.monotonic() - begun
                print(f"{spent:6.0f} s  {(everything + statuses).total():6}  {operation}", flush=True)

            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                everything += send_cases(service, identifier, mode, asked.cases, asked.seed, say)
    print(f"{everything.total():,} requests, by status: {dict(sorted(everything.items()))}")


if __name__ == "__main__":
    main()
