"""The resources of a Ray cluster's nodes, and how many workers or ranks fit on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOOPBACK = "127.0.0.1"


def node_resources() -> list[dict[str, float]]:
    """All resources of each living node, in use or not: CPU, GPU, memory (bytes), and others that it declares."""
    return [node["Resources"] for node in _nodes()]


def node_addresses() -> set[str]:
    """The addresses under which the living nodes reach each other."""
    return {node["NodeManagerAddress"] for node in _nodes()}


def fitting_workers(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """How many workers with these needs fit on a node with these resources; without needs, one per core."""
    return int(min((node.get(kind, 0.0) / amount for kind, amount in needs.items()), default=node.get("CPU", 0.0)))


def rank_resources(threads: int, gpus: float) -> dict[str, float]:
    """The resources that one rank needs."""
    return {"CPU": float(threads)} | ({"GPU": gpus} if gpus else {})


def threads_per_rank(ranks: int, gpus: float) -> int:
    """The most threads that `ranks` ranks can have, each with `gpus` GPUs; 1 if they do not fit at all."""
    nodes = node_resources()
    most = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    for threads in range(most, 1, -1):
        if sum(fitting_workers(node, rank_resources(threads, gpus)) for node in nodes) >= ranks:
            return threads
    return 1


def described(resources: Mapping[str, float]) -> str:
    """Resources in words, for a message."""
    return " and ".join(f"{amount:g} {kind}" for kind, amount in resources.items())


def described_nodes() -> str:
    """The CPUs and GPUs of the living nodes in words, for a message."""
    kinds = {described({kind: node.get(kind, 0) for kind in ("CPU", "GPU")}) for node in node_resources()}
    return "; ".join(sorted(kinds)) or "nothing"


def _nodes() -> list[dict[str, Any]]:
    import ray  # noqa: TID251 - the door

    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
