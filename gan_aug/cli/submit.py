"""The command `submit`: sends a run to a Ray cluster, where it goes on without this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, get_args

import typer  # noqa: TID251 - the door

from gan_aug import config as configs
from gan_aug.config.stages import Verb
from gan_aug.errors import Cancelled, ConfigError


def submit(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; see configs/", show_default=False)],
    run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="run folder, as the cluster sees it", show_default=False)
    ],
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ray's job API, http://HEAD:8265  [default: RAY_API_SERVER_ADDRESS]"),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override one key, e.g. train.images=10000")
    ] = None,
    verb: Annotated[str, typer.Option(help="what to run there: run, import, train, generate, compare")] = "run",
    requirements: Annotated[
        Path | None, typer.Option(metavar="FILE", help="pinned packages that the nodes install for this job with pip")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="follow the log, and end with the job's exit code")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Send a run to a Ray cluster as a job; the code of this version goes along."""
    from gan_aug.compute.cluster import jobs as cluster_jobs

    if verb not in (known := get_args(Verb)):
        raise ConfigError(f"--verb {verb}: there is no such verb; known are {', '.join(known)}")
    job = cluster_jobs.submit(verb, configs.load(config, tuple(overrides or ())), run, address, requirements)
    said = {"job": job.id, "address": job.address, "run": job.run, "stop": job.stop, "log": job.log}
    text = f"job {job.id} goes on in {job.run}\nlog:  {job.log}\nstop: {job.stop}"
    print(json.dumps(said, indent=2) if as_json else text, flush=True)  # noqa: T201 - this is the terminal
    if not wait:
        return
    try:
        code = cluster_jobs.follow(job, lambda log: print(log, end="", file=sys.stderr, flush=True))  # noqa: T201
    except KeyboardInterrupt as error:
        raise Cancelled(f"left the log of job {job.id}, which goes on; `{job.stop}` stops it") from error
    if code:
        raise typer.Exit(code)
