"""The form of a new job: it is the config, says what is wrong beside the field, and keeps what was entered."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gan_aug.config import dump, load, parse
from gan_aug_service.openapi.examples import CONFIG_EXAMPLES
from gan_aug_service.records.allowed_paths import PATH_KEYS
from gan_aug_service.web.kit import config_form
from tests.support.places import CONFIGS
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import NOBODY, TINY, Service

HOSTILE = '"><script>alert(1)</script>'


class Entered(HTMLParser):
    """What a browser would send of a page's form: each field's values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._select = self._area = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
        elif tag == "option" and "selected" in given and self._select:
            self._option = self._select
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields.setdefault(name, []).append(given.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        name = self._area or self.__dict__.pop("_option", "")
        if name:
            self.fields.setdefault(name, []).append(data)


def flat(values: dict[str, Any], above: str = "") -> dict[str, str]:
    """A config as a user would type it into the form."""
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": str(value)}
    return found


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_survives_the_form(file: Path) -> None:
    config = load(file)
    values = config_form.parse_fields(config_form.form_texts(dump(config)))
    assert parse(values, "the form") == config


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("data.size", "64", 64),
        ("data.size", "64, 48", [64, 48]),
        ("data.positive", "1", "1"),
        ("data.columns.label", "a, b", ["a", "b"]),
        ("data.columns.label", "1", "1"),
        ("data.flips", "none", []),
        ("data.channels", "3", 3),
        ("data.dicomweb.search", "Modality: CR, Rows: 512", {"Modality": "CR", "Rows": 512}),
        ("synthesis.counts", "100", 100),
        ("synthesis.counts", "like-real", "like-real"),
        ("synthesis.counts", "ill: 10, well: 20", {"ill": 10, "well": 20}),
        ("compare.sizes", "250, all", [250, "all"]),
        ("compare.sizes", "250", [250]),
        ("compare.ratio", "search", "search"),
        ("compare.ratio", "0.5", 0.5),
        ("compare.canaries", "no", False),
        ("train.betas", "0, 0.99", [0, 0.99]),
        ("train.lr", "1e-3", 0.001),
    ],
)
def test_texts_stand_for_what_the_config_takes(path: str, text: str, value: Any) -> None:
    given: Any = config_form.parse_fields({"data.source": ["csv"], path: [text]})
    parse(given, "the form")
    for part in path.split("."):
        given = given[part]
    assert given == value
    assert type(given) is type(value)


def test_every_key_has_a_field_but_those_that_no_request_may_give() -> None:
    def paths(values: dict[str, Any], above: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in values.items():
            nested = isinstance(value, dict) and f"{above}{name}" not in config_form.fields()
            found |= paths(value, f"{above}{name}.") if nested else {f"{above}{name}"}
        return found

    config = parse({"data": {"source": "digits"}}, "the test")
    assert paths(dump(config)) == config_form.fields().keys() | config_form.HIDDEN
    assert config_form.HIDDEN < PATH_KEYS


def test_the_quickstart_is_the_one_of_the_configs() -> None:
    example: Any = CONFIG_EXAMPLES["quickstart"]["value"]
    assert parse(example, "the example") == load(CONFIGS / "quickstart.yaml")


def test_the_quickstart_is_filled_in_and_starts(service: Service) -> None:
    sign_in(service)
    fields = Entered(see(service, "/new?example=quickstart").text).fields
    assert fields["data.source"] == ["digits"]
    assert fields["compare.arms"] == ["real", "synthetic", "mixed", "duplicate", "classic"]
    started = send(service, "/new", fields | {"action": "start"})
    assert started.status_code == 303
    job = service.call("GET", f"/v1{started.headers['location']}").json()
    assert job["verb"] == "run"
    expected = dump(load(CONFIGS / "quickstart.yaml"))
    assert job["config"] == expected


def test_sent_twice_it_starts_one_job(service: Service) -> None:
    sign_in(service)
    fields = Entered(see(service, "/new?example=quickstart").text).fields | {"action": ["start"]}
    first, second = (send(service, "/new", fields).headers["location"] for _ in range(2))
    assert first == second
    changed = send(service, "/new", fields | {"seed": "4"})
    assert changed.status_code == 422
    fresh = Entered(changed.text).fields | {"action": ["start"]}
    assert fresh["seed"] == ["4"]
    assert send(service, "/new", fresh).headers["location"] != first


def test_faults_come_back_beside_their_fields_with_what_was_entered(service: Service) -> None:
    sign_in(service)
    sent = flat(TINY) | {"data.size": "big", "train.lr": "-1", "data.positive": HOSTILE, "verb": "train"}
    answer = send(service, "/new", sent | {"action": "start"})
    assert answer.status_code == 422
    assert HOSTILE not in answer.text
    assert "There are 2 faults" in answer.text
    for name, text in (("data-size", "big"), ("train-lr", "-1")):
        assert f'<a href="#{name}">' in answer.text
        field = answer.text.split(f'<input id="{name}"')[1].split(">")[0]
        assert f'value="{text}"' in field
        assert 'aria-invalid="true"' in field
        assert f'aria-describedby="{name}-help {name}-fault"' in field
    kept = Entered(answer.text).fields
    assert {name: kept[name][0] for name in flat(TINY)} == flat(TINY) | {"data.size": "big"}
    assert kept["data.positive"] == [HOSTILE]
    assert kept["verb"] == ["train"]
    assert service.call("GET", "/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("data.positive", "a\0b"),
        ("data.positive", "x" * 200_000),
        ("run", "a\0b"),
        ("run", NOBODY),
        ("train.lr", "1e999"),
        ("train.lr", "NaN"),
        ("seed", "9" * 5000),
        ("synthesis.counts", "a: b: c"),
    ],
)
def test_what_the_routes_would_not_take_the_form_does_not_either(service: Service, field: str, text: str) -> None:
    sign_in(service)
    answer = send(service, "/new", {"data.source": "digits", "action": "start", field: text})
    assert answer.status_code in (400, 404, 413, 422)
    assert re.search(r"There (is one fault|are \d+ faults)", answer.text)


def test_a_former_jobs_number_that_is_none_is_refused(service: Service) -> None:
    sign_in(service)
    assert see(service, "/new?from=a%00b").status_code == 422
    long = {"data.source": "digits", "action": "start", "once": "x" * 500}
    assert send(service, "/new", long).status_code == 303


def test_a_place_that_may_not_be_read_is_told_beside_its_field(service: Service) -> None:
    sign_in(service)
    for root in ("../../etc", f"uploads/{NOBODY}", "nowhere"):
        answer = send(service, "/new", {"data.source": "folder", "data.root": root, "action": "start"})
        assert answer.status_code == 422
        assert 'id="data-root-fault"' in answer.text
        assert str(service.settings.state.parent) not in answer.text


def test_form_and_yaml_are_two_sights_of_one_config(service: Service) -> None:
    sign_in(service)
    as_yaml = send(service, "/new", {"data.source": "digits", "train.lr": "0.01", "action": "yaml"})
    fields = Entered(as_yaml.text).fields
    assert "lr: 0.01" in fields["yaml"][0]
    as_form = Entered(send(service, "/new", fields | {"action": "form"}).text).fields
    assert (as_form["train.lr"], as_form["data.source"]) == (["0.01"], ["digits"])
    wrong = send(service, "/new", {"yaml": "data: {source: digits}\ntrian: 3", "action": "start"})
    assert wrong.status_code == 422
    assert "did you mean train?" in wrong.text
    assert "trian: 3" in Entered(wrong.text).fields["yaml"][0]
    for text in ("a: &b [1]\nc: *b", "[", "- 1", "a: " + "[" * 50):
        assert send(service, "/new", {"yaml": text, "action": "start"}).status_code in (400, 422)


def test_a_former_job_is_asked_anew_only_by_who_sees_it(service: Service) -> None:
    job = service.submit(train=TINY["train"] | {"images": 999})
    sign_in(service)
    assert Entered(see(service, f"/new?from={job['id']}").text).fields["train.images"] == ["999"]
    sign_in(service, "stranger")
    assert see(service, f"/new?from={job['id']}").status_code == 404
