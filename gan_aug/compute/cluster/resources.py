"""What the nodes of a Ray cluster have, used or not, and what fits on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOOPBACK = "127.0.0.1"


def node_resources() -> list[dict[str, float]]:
    """What each living node has, used or not: CPU, GPU, memory (bytes) and what its operator declared."""
    return [node["Resources"] for node in _nodes()]


def node_addresses() -> set[str]:
    """The addresses under which the living nodes reach each other."""
    return {node["NodeManagerAddress"] for node in _nodes()}


def places(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """How many workers of `needs` fit on a node with these resources; who needs nothing gets one a core."""
    return int(min((node.get(kind, 0.0) / amount for kind, amount in needs.items()), default=node.get("CPU", 0.0)))


def rank_needs(threads: int, gpus: float) -> dict[str, float]:
    """What one rank asks of a node."""
    return {"CPU": float(threads)} | ({"GPU": gpus} if gpus else {})


def threads_for(ranks: int, gpus: float) -> int:
    """The most threads that `ranks` ranks can have, each with `gpus` GPUs; 1 where they do not fit at all."""
    nodes = node_resources()
    most = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    for threads in range(most, 1, -1):
        if sum(places(node, rank_needs(threads, gpus)) for node in nodes) >= ranks:
            return threads
    return 1


def amounts(resources: Mapping[str, float]) -> str:
    """Resources as a sentence has them."""
    return " and ".join(f"{amount:g} {kind}" for kind, amount in resources.items())


def held() -> str:
    """What the living nodes have, as a sentence has it."""
    kinds = {amounts({kind: node.get(kind, 0) for kind in ("CPU", "GPU")}) for node in node_resources()}
    return "; ".join(sorted(kinds)) or "nothing"


def _nodes() -> list[dict[str, Any]]:
    import ray  # noqa: TID251 - the door

    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
