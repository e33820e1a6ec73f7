"""Ceilings and guards: every key is looked at, whatever road it takes into a job."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import update

from gan_aug.config import Config, parse
from gan_aug.errors import ConfigError
from gan_aug_service.database.tables import Job, JobState
from gan_aug_service.queue.runner import LocalRunner
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.rules.allowed import Rules, read_rules, refuse_above_ceilings
from gan_aug_service.rules.ceilings import KEYS, TOTALS
from gan_aug_service.rules.guards import GUARDS
from tests.support.service.page_samples import send, sign_in
from tests.support.service.service_samples import TINY, Service

COSTS_NOTHING = {
    # shares, weights, rates and other numbers that do not make a job larger
    "seed", "data.validation", "data.test", "data.internal_test", "data.max_rejected", "data.fold", "gan.penalty",
    "gan.penalty_every", "gan.average", "train.micro_batch", "train.lr", "train.betas", "train.decay",
    "train.patience", "synthesis.seed", "classifier.lr", "classifier.weight_decay", "compare.pretrain",
    "compare.margin", "compare.rule", "compare.weights_range", "compare.sizes",
    # they make it smaller, or name a part of what is there
    "data.limit", "data.dicom.frames", "data.slices.axis", "data.slices.index", "data.dicomweb.limit",
    "data.dicomweb.search", "data.channels",
    # the config itself bounds them, or the machine's cores do
    "data.dicomweb.page", "data.dicomweb.timeout", "data.dicomweb.retries", "train.restarts", "compute.threads",
    "compute.workers", "compute.ranks", "compute.min_ranks", "compute.cpus_per_worker", "compute.gpus_per_worker",
    # counted in the total `checkpoints`
    "train.checkpoint_every", "train.sample_every", "train.score_every",
}  # fmt: skip
LOOSENS_NOTHING = {
    # where images are, how they are read, and what is refused in them
    "data.title", "data.source", "data.root", "data.table", "data.columns.file", "data.columns.label",
    "data.columns.split",
    "data.dicom.window", "data.dicom.crop", "data.dicom.label_from", "data.dicom.label_key", "data.dicomweb.url",
    "data.dicomweb.level", "data.dicomweb.token_env", "data.label_separator", "data.names", "data.fit", "data.filter",
    "data.window", "data.positive", "data.flips",
    # error and drop both keep a patient out of the training; both ways of drawing keep patients together
    "data.on_leak", "data.assignment",
    # what is computed, and where
    "gan.network", "gan.loss", "gan.regularizer", "gan.augment", "gan.balance", "train.precision", "train.keep",
    "train.start_from", "classifier.name", "classifier.optimizer", "compare.arms", "compare.synthetic",
    "compare.fidelity", "compare.features", "compare.weights", "compute.device", "compute.cuda_graphs",
    "compute.storage", "compute.address", "compute.dashboard",
    # a test of the comparison itself, left out to save time; the report says so
    "compare.canaries",
}  # fmt: skip


def every_key(model: Any = Config, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from every_key(field.annotation, f"{above}{name}.")
        else:
            yield f"{above}{name}", field.annotation


def holds_numbers(annotation: Any) -> bool:
    return annotation in (int, float) or any(holds_numbers(part) for part in get_args(annotation))


def test_every_key_has_a_ceiling_or_a_guard_or_was_looked_at() -> None:
    keys = dict(every_key())
    assert GUARDS.keys() <= keys.keys()
    assert keys.keys() == {*KEYS, *GUARDS} | COSTS_NOTHING | LOOSENS_NOTHING
    assert not (KEYS.keys() | GUARDS.keys()) & (COSTS_NOTHING | LOOSENS_NOTHING)
    assert not [key for key in LOOSENS_NOTHING if holds_numbers(keys[key])]


def config(**sections: Any) -> Config:
    return parse({"data": {"source": "digits"}} | sections, "the test")


def refused(verb: str = "run", rules: Rules | None = None, **sections: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        refuse_above_ceilings(config(**sections), verb, rules or Rules())
    return str(caught.value)


@pytest.mark.parametrize(
    ("sections", "key", "shown"),
    [
        ({"gan": {"width": 100_000}}, "gan.width", "100,000"),
        ({"gan": {"latent": 2**31}}, "gan.latent", "2,147,483,648"),
        ({"data": {"source": "digits", "size": [64, 4096]}}, "data.size", "4,096"),
        ({"synthesis": {"counts": 10**12}}, "synthesis.counts", "1,000,000,000,000"),
        ({"synthesis": {"counts": {str(digit): 600_000 for digit in range(10)}}}, "synthesis.counts", "6,000,000"),
        ({"synthesis": {"multiple": math.inf}}, "synthesis.multiple", "inf"),
        ({"synthesis": {"shard": 64 * 10**9}}, "synthesis.shard", "64,000,000,000"),
        ({"compare": {"ratio": 1e9}}, "compare.ratio", "1,000,000,000"),
        ({"compare": {"ratio": "search", "ratios": [1, 1e4]}}, "compare.ratios", "10,000"),
        ({"compute": {"cache": 1e6}}, "compute.cache", "1,000,000"),
        ({"train": {"images": 10**12}}, "train.images", "1,000,000,000,000"),
        # what several keys multiply to
        ({"compare": {"seeds": 100, "sizes": [100, 200, 300]}}, "compare.seeds", "5,000 classifiers"),
        ({"compare": {"sizes": list(range(20, 420)), "draws": 20}}, "compare.gans", "8,003 GANs"),
        ({"train": {"images": 40_000_000}, "compare": {"gans": 20, "seeds": 20}}, "train.images", "images seen"),
        ({"train": {"images": 10**7, "checkpoint_every": 1}}, "train.checkpoint_every", "10,000,000 checkpoints"),
        ({"train": {"images": 10**7, "sample_every": 10}}, "train.checkpoint_every", "1,000,000 checkpoints"),
        ({"classifier": {"steps": 10**6}, "compare": {"seeds": 50}}, "classifier.steps", "250,000,000 steps"),
    ],
)  # fmt: skip
def test_above_a_ceiling_one_sentence_names_the_key_the_value_the_ceiling_and_whom_to_ask(
    sections: dict[str, Any], key: str, shown: str
) -> None:
    said = next(line.strip() for line in refused(**sections).splitlines() if line.strip().startswith(f"{key}: "))
    assert shown in said
    assert "above the ceiling of this service, " in said
    assert said.endswith(": ask for less, or ask an administrator of this service")


def test_what_the_examples_and_the_defaults_ask_for_is_allowed() -> None:
    for verb in ("run", "import", "train", "generate", "audit", "compare"):
        refuse_above_ceilings(config(), verb, Rules())


def test_keys_that_a_verb_does_nothing_with_do_not_stop_it() -> None:
    low = Rules(keys={"train.images": 100, "classifier.epochs": 1})
    refuse_above_ceilings(config(), "import", low)
    assert refused("train", low).startswith("train.images: 200,000 is above the ceiling of this service, 100: ")
    assert "has 2 faults" in refused("compare", low)


def test_no_ceiling_is_null_and_none_is_above_it() -> None:
    rules = Rules(keys={"gan.width": None}, totals={"gans": None})
    refuse_above_ceilings(config(gan={"width": 10**6}), "run", rules)


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "contact: Jürgen, imaging\nkeys: {gan.width: 64}\nguards: {data.dicom.allow: nobody}\njob: {hours: 2}"
    )
    rules = read_rules(path)
    assert (rules.keys["gan.width"], rules.keys["gan.latent"], rules.job.hours) == (64, KEYS["gan.latent"], 2)
    assert (rules.guards["data.dicom.allow"], rules.guards["audit.enabled"]) == ("nobody", "admin")
    assert refused(rules=rules, gan={"width": 65}).endswith(
        "65 is above the ceiling of this service, 64: ask for less, or ask Jürgen, imaging"
    )
    for text, fault in (
        ("keys: {gan.with: 1}", "did you mean gan.width"),
        ("keys: {gan.width: -1}", "keys"),
        ("guards: {data.dicom.allow: viewer}", "guards"),
        ("keys: [", "not valid YAML"),
        ("- a", "--rules"),
        ("hours: 3", "hours: no such key"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=fault):
            read_rules(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rules(tmp_path / "absent")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestRoads:
    """Every road into a job."""

    @pytest.mark.parametrize("who", ["editor", "admin"])
    def test_a_request_above_a_ceiling_is_refused(self, service: Service, who: str) -> None:
        for verb in ("run", "train", "generate", "audit", "compare"):
            answer = service.call("POST", f"/v1/jobs/{verb}", who, json=TINY | {"gan": {"width": 100_000}})
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith("gan.width: 100,000 is above")
        large = TINY | {"data": TINY["data"] | {"size": 5000}}
        for path in ("/v1/datasets", "/v1/jobs/import"):
            assert service.call("POST", path, who, json=large).status_code == 422
        assert service.call("GET", "/v1/jobs", "admin").json()["items"] == []

    def test_a_form_shows_it_beside_its_field(self, service: Service) -> None:
        sign_in(service)
        page = send(service, "/new", {"data.source": "digits", "gan.width": "100000", "action": "start"})
        assert page.status_code == 422
        assert 'id="gan-width-fault">100,000 is above the ceiling' in page.text
        page = send(service, "/new", {"data.source": "dicom", "data.dicom.allow": "burned-in", "action": "start"})
        assert page.status_code == 403
        assert 'id="data-dicom-allow-fault">' in page.text

    def test_a_job_of_before_the_ceiling_is_held_to_it(self, service: Service) -> None:
        job, other = service.submit("train"), service.submit("train")
        low = Rules(keys={"gan.width": 2})
        object.__setattr__(service.settings, "rules", low)
        Supervisor(service.settings, service.components.database, LocalRunner(service.settings)).tick()
        ended = service.call("GET", f"/v1/jobs/{job['id']}").json()
        assert (ended["state"], ended["problem"]["status"]) == ("failed", 422)
        assert "gan.width: 4 is above the ceiling of this service, 2" in ended["problem"]["detail"]
        with service.components.database.writing() as session:
            session.execute(update(Job).where(Job.id == other["id"]).values(state=JobState.FAILED, holds_run=None))
        assert service.call("POST", f"/v1/jobs/{other['id']}/resume").status_code == 422

    @pytest.mark.parametrize(
        "loosened",
        [
            {"data": {"source": "dicom", "dicom": {"allow": ["burned-in", "ultrasound"]}}},
            {"data": {"source": "folder", "near_duplicates": "report"}},
            {"data": {"source": "csv", "patient_scope": "split"}},
            {"data": {"source": "csv", "columns": {"patient": ""}}},
            {"data": {"source": "digits"}, "audit": {"enabled": False}},
        ],
    )
    def test_a_guard_is_loosened_by_those_alone_who_may(self, service: Service, loosened: dict[str, Any]) -> None:
        def ask(who: str) -> Any:
            return service.call("POST", "/v1/jobs/import", who, json=loosened)

        refused = ask("editor")
        assert refused.status_code == 403
        key = refused.json()["detail"].partition(":")[0]
        assert key in GUARDS
        assert "only a key with the role admin may" in refused.json()["detail"]
        assert ask("admin").status_code == 202
        object.__setattr__(service.settings, "rules", Rules(guards={key: "nobody"}))
        assert "nobody may" in ask("admin").json()["detail"]
        object.__setattr__(service.settings, "rules", Rules(guards={key: "editor"}))
        assert ask("editor").status_code == 202

    def test_what_the_import_of_a_run_loosened_stays(self, service: Service, tmp_path: Path) -> None:
        loosened = TINY | {"data": TINY["data"] | {"near_duplicates": "report"}}
        job = service.submit("import", "editor")
        with service.components.database.writing() as session:
            session.execute(update(Job).where(Job.id == job["id"]).values(state=JobState.DONE, holds_run=None))
        path = f"/v1/jobs/train?run={job['run']}"
        assert service.call("POST", path, json=loosened).status_code == 403
        request = service.settings.runs / job["run"] / "dataset" / "request.json"
        request.parent.mkdir(parents=True)
        request.write_text(json.dumps({"data": parse(loosened, "the test").data.model_dump(mode="json")}))
        assert service.call("POST", path, "stranger", json=loosened).status_code == 404
        assert service.call("POST", path, json=loosened).status_code == 202

    def test_the_rules_can_be_read(self, service: Service) -> None:
        rules = service.call("GET", "/v1/rules", "viewer").json()
        assert rules["keys"] == KEYS
        assert rules["totals"].keys() == TOTALS.keys()
        assert rules["job"]["memory"] > 0
        assert set(rules["guards"].values()) == {"admin"}
        assert service.call("GET", "/v1/rules", None).status_code == 401
