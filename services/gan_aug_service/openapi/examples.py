"""One example of every body and answer, for the OpenAPI document; all are of the same run of digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gan_aug.config import Config, dump, parse
from gan_aug.config.section import Section
from gan_aug_service.openapi.people.invitations import INVITATION_EXAMPLE
from gan_aug_service.openapi.projects import NOTICE_EXAMPLE, PROJECT_EXAMPLE
from gan_aug_service.openapi.releases import RELEASE_EXAMPLE
from gan_aug_service.openapi.schemas import JOB_EXAMPLE
from gan_aug_service.rules.allowed import Rules

RUN = str(JOB_EXAMPLE["run"])
KEY_ID, UPLOAD_ID = "019aa5b90c3f4d5e6f708192", "019aa5c1a2b3c4d5e6f70819"
CREATED = "2026-11-21T12:00:00Z"
CHECKPOINT, FINGERPRINT, MADE = "7c0f3a91d24e", "5b1e0c9f72d84a36", "e20c44d17ab95f83"
DIGITS = [f"{digit}" for digit in range(10)]
KEY = {
    "id": KEY_ID, "kind": "key", "name": "reader", "role": "viewer", "project": "default", "created": CREATED,
    "expires": "2027-02-19T12:00:00Z", "revoked": None, "last_used": "2026-11-21T12:30:00Z",
}  # fmt: skip
RUN_EXAMPLE = {
    "id": RUN, "project": "default", "created": CREATED, "title": "digits", "owner": "first", "source": "digits",
    "tags": ["trial"], "notes": "", "dataset": True, "model": True, "synthetic": True, "report": True,
    "data_name": "digits", "labels": DIGITS, "verdict": "cannot tell",
}  # fmt: skip
UPLOAD = {
    "id": UPLOAD_ID, "project": "default", "created": CREATED, "title": "films.zip", "owner": "first",
    "source": "films.zip", "tags": [], "notes": "", "files": 5856, "size": 1236542184,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "root": f"uploads/{UPLOAD_ID}",
}  # fmt: skip
AUDIT = {
    "id": "019aa5d2e3f405162738495a", "time": "2026-11-21T12:30:00Z", "key_id": KEY_ID, "project": "default",
    "action": "report.read", "target": RUN, "detail": "html", "address": "127.0.0.1",
}  # fmt: skip
PREDICTION = {
    "frame": None, "labels": ["7"], "probabilities": {"1": 0.012, "7": 0.988}, "unlike": False, "distance": 0.71,
    "detail": 0.4, "assumed": [],
}  # fmt: skip
ESTIMATE = {
    "seconds": 90.0,
    "stages": {"start": 10.0, "train": 55.0, "compare": 25.0},
    "counted": {"train": "3 GANs of 3,125 steps", "compare": "15 classifiers, 15,000 steps in all"},
    "words": "about 90 s (start 10 s, train 55 s, compare 25 s)",
}
CONFIG_EXAMPLES = {
    "quickstart": {
        "summary": "handwritten digits, about four minutes on two cores",
        "value": {"data": {"source": "digits", "size": 16}, "classifier": {"name": "cnn", "steps": 1000}},
    },
    "folder": {
        "summary": "a folder of class folders below the service's data folder",
        "value": {"data": {"source": "folder", "root": "chest", "size": 64}, "train": {"images": 400000}},
    },
}
"""Configs to begin with, in the document and in the form for a new job."""

EXAMPLES: dict[str, Any] = {
    "AuditOut": AUDIT,
    "DatasetOut": {
        "id": RUN,
        "name": "digits",
        "fingerprint": FINGERPRINT,
        "task": "multi-class",
        "labels": DIGITS,
        "positive": None,
        "shape": [1, 16, 16],
        "counts": {
            "train": dict.fromkeys(DIGITS, 108),
            "validation": dict.fromkeys(DIGITS, 35),
            "test": dict.fromkeys(DIGITS, 36),
        },
        "notes": ["the source names no patients: one patient's images may be in several splits"],
    },
    "Health": {"status": "ok", "version": "1.0.0", "checks": {"database": True, "queue": True, "disk": True}},
    "JobOut": JOB_EXAMPLE,
    "JobState": "running",
    "KeyOut": KEY,
    "ModelOut": {
        "id": RUN,
        "checkpoint": CHECKPOINT,
        "images": 60000,
        "labels": DIGITS,
        "task": "multi-class",
        "shape": [1, 16, 16],
        "dataset": FINGERPRINT,
    },
    "InvitationOut": INVITATION_EXAMPLE,
    "NewInvitation": INVITATION_EXAMPLE
    | {"link": "https://images.example.org/join?invitation=invite_019aa5e21f2e3d4c5b6a7980_shown-this-once"},
    "NewKey": KEY | {"last_used": None, "key": f"ganaug_{KEY_ID}_shown-this-once-and-never-again-0000000000000"},
    "NoticeOut": NOTICE_EXAMPLE,
    "ProjectOut": PROJECT_EXAMPLE,
    "ReleaseOut": RELEASE_EXAMPLE,
    "Role": "viewer",
    "CheckOut": {
        "complete": True,
        "findings": ["1,078 training images: the GAN's losses see them as they are"],
        "labels": dict.fromkeys(DIGITS, 179),
        "splits": {"train": 1078, "validation": 360, "test": 359},
        "set_aside": 0,
        "memory": 640000000,
        "estimate": ESTIMATE,
    },
    "EstimateOut": ESTIMATE,
    "RemainingOut": {"seconds": 62.0, "words": "about 62 s left: train 40 s, compare 22 s", "estimate": ESTIMATE},
    "Rules": Rules().model_dump(mode="json"),
    "JobRules": Rules().job.model_dump(mode="json"),
    "QueueOut": {
        "paused": None,
        "paused_by": None,
        "working": 1,
        "room": 1,
        "room_short": 1,
        "waiting": 1,
        "items": [JOB_EXAMPLE | {"state": "queued", "started": None, "place": 1, "paused": None, "short": False}],
    },
    "TurnIn": {"turn": "first"},
    "RunOut": RUN_EXAMPLE,
    "SessionOut": {"name": "reader", "role": "viewer", "project": "default", "csrf_token": "b94d27b9934d3e08" * 4},
    "SignIn": {"key": f"ganaug_{KEY_ID}_shown-this-once-and-never-again-0000000000000"},
    "PredictionOut": PREDICTION,
    "PredictionsOut": {
        "arm": "real",
        "predictions": [PREDICTION],
        "notice": "no medical device: for research and teaching",
    },
    "PrivacyAuditOut": {
        "id": RUN,
        "set_allowed": True,
        "model_allowed": True,
        "verdict": "The set may be released. The model may be released.",
        "copies": "Each of the 1,080 images was compared with the 1,078 training images ...",
        "membership": "An attack by distances has an AUC of 0.506 ...",
        "unseen": "An audit is evidence, not proof ...",
        "figures": {"images": 1080},
    },
    "SyntheticOut": {
        "id": RUN,
        "fingerprint": MADE,
        "checkpoint": CHECKPOINT,
        "seed": 0,
        "labels": DIGITS,
        "shape": [1, 16, 16],
        "images": 1080,
        "counts": dict.fromkeys(DIGITS, 108),
    },
    "AboutIn": {"title": "Chest films, first try", "tags": ["chest", "64 px"], "notes": "With the films of June."},
    "Sort": "newest",
    "PreviewOut": {
        "root": f"uploads/{UPLOAD_ID}",
        "source": "folder",
        "said": "One outer folder: my set; classes benign (12), malignant (12).",
        "fault": "",
        "files": 24,
        "size": 8160,
        "outer": ["my set"],
        "classes": {"benign": 12, "malignant": 12},
        "dicom": 0,
        "tables": [],
    },
    "UploadOut": UPLOAD,
    "Verb": "run",
}
EXAMPLES |= {
    f"Page_{name}_": {"items": [example], "next": example["id"]}
    for name, example in (("AuditOut", AUDIT), ("JobOut", JOB_EXAMPLE), ("KeyOut", KEY), ("RunOut", RUN_EXAMPLE))
}
EXAMPLES["Page_NoticeOut_"] = {"items": [NOTICE_EXAMPLE], "next": None}
EXAMPLES["Page_ProjectOut_"] = {"items": [PROJECT_EXAMPLE], "next": None}
EXAMPLES["Page_InvitationOut_"] = {"items": [INVITATION_EXAMPLE], "next": None}
EXAMPLES["Page_ReleaseOut_"] = {"items": [RELEASE_EXAMPLE], "next": None}
EXAMPLES["Page_UploadOut_"] = {"items": [UPLOAD], "next": None}
TEXTS = {
    "text/event-stream": 'id: 118\nevent: progress\ndata: {"kind": "progress", "stage": "train", "done": 3200}\n\n',
    "text/markdown": "# Report on digits\n\nMixed images improve the AUC: 0.981 against 0.974 ...\n",
    "text/csv": "arm,against,label,figure,value,low,high\r\nmixed,,,auc,0.981,0.975,0.986\r\n",
    "text/plain": '# TYPE ganaug_jobs gauge\nganaug_jobs{state="running"} 1.0\n',
}
"""Examples of answers that are text and have no model, by media type."""


def config_examples(values: dict[str, Any]) -> dict[str, Any]:
    """Examples of a config and each of its sections: those of `values`, with every default spelt out."""
    return dict(_sections(Config, dump(parse(values, "the example"))))


def _sections(section: type[Section], values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield section.__name__, values
    for name, info in section.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from _sections(info.annotation, values[name])
