"""An audit that nobody made, with every field that one has."""

from __future__ import annotations

from typing import Any

ATTACK = {
    "value": 0.512, "ci95": [0.48, 0.54], "se": 0.015, "smallest": 0.592,
    "members": {"images": 500, "patients": 300}, "held_out": {"images": 400, "patients": 250},
}  # fmt: skip
RECORD: dict[str, Any] = {
    "gan_aug": "0.3.0", "dataset": "d", "synthetic": "s", "checkpoint": "c", "seed": 0, "released": "r",
    "training": {"images": 1000, "patients": 600, "grouped_by": "patients", "elsewhere": 9}, "images": 2000,
    "copies": {
        "variants": 84, "dimensions": 64, "like_a_copy": 0.66, "copy": 0.4, "most": 12, "below_copy": 0,
        "by_chance": {"images": 1000, "patients": 600, "least": 0.55, "rank": 1,
            "quantiles": [0.55, 0.66, 0.8, 0.9, 1.0],
        },
        "dropped": [{"index": 3, "ratio": 0.6, "training": 7, "nearly_equal": False, "replaced_by": 2000}],
        "confirmed": [], "quantiles": [0.6, 0.7, 0.8, 0.9, 1.1], "authenticity": 0.8,
        "per_class": {"ill": {"images": 2000, "like_a_copy": 1, "quantiles": [0.6, 0.7, 0.8, 0.9, 1.1]}},
        "rarest": {"share": 0.01, "images": 3, "quantiles": [0.9, 0.9, 0.9, 0.9, 1.0]}, "nearest": [],
    },
    "membership": {
        "auc": ATTACK, "per_class": {"ill": ATTACK}, "members_only": ATTACK, "same_kind": ATTACK, "limit": 0.55,
        "judged": True, "because": None, "refused": False,
    },
    "set": {"allowed": True, "reasons": []}, "model": {"allowed": True, "reasons": []}, "discriminator": ATTACK,
}  # fmt: skip
