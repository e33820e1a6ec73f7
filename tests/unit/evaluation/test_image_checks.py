"""The rule by which images fail, on figures made up for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gan_aug.evaluation.image_checks import failed, judge
from tests.support.evaluation_samples import make_fidelity, make_manifest, make_older_fidelity

FIGURES = make_fidelity(make_manifest())


def bad(change: dict[str, Any], **of_class: Any) -> list[tuple[str, str | None]]:
    figures = copy.deepcopy(FIGURES)
    figures.update(change)
    figures["per_class"]["normal"].update(of_class)
    return [(check["check"], check["label"]) for check in failed(judge(figures, "multi-class") or [])]


def finest(value: float, se: float = 0.01, power: float = 8.0) -> dict[str, Any]:
    return {"finest": {"value": value, "se": se, "real": 1.0, "real_se": 0.01, "power": power}}


def kids(kid: float, blurred: float, se: float = 0.001) -> list[dict[str, Any]]:
    made = [{"value": value, "se": se, "real": 0.0, "real_se": se} for value in (kid, blurred)]
    return [dict(zip(("kid", "kid_blurred"), made, strict=True))] * 2


def auc(value: float, real: float, se: float = 0.002) -> dict[str, Any]:
    return {"label_auc": {"value": value, "se": se, "real": real, "real_se": se}}


def agreement(value: float) -> dict[str, Any]:
    own = FIGURES["per_class"]["normal"] | {"label_agreement": {"value": value, "real": 0.98}}
    return {"per_class": {"normal": own, "pneumonia": own | {"images": 2}}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (finest(1.9), []),
        (finest(2.1), ["grain"]),
        (finest(2.1, se=0.5), []),  # by chance
        (finest(2.9, power=2.0), []),  # nobody sees it
        (finest(54.0, power=2.0), ["grain"]),
        (finest(0.3), []),
        (finest(0.2), ["grain"]),
        (finest(0.0, power=3.0), []),
        (finest(0.0, power=30.0), ["grain"]),
        ({"looked_at": 29, **finest(54.0)}, []),
        (auc(0.999, 0.95), ["easy"]),
        (auc(0.97, 0.95), []),
        (auc(0.999, 0.995), []),
        (auc(0.999, 0.95, se=0.02), []),
        (auc(0.80, 0.99), ["hard"]),
        (auc(0.93, 0.99), []),
        (auc(0.5, 0.52), []),  # nor can real ones be told apart
        (agreement(0.9), []),
        (agreement(0.6), ["labels"]),
    ],
)
def test_a_figure_fails_by_more_than_chance_and_by_more_than_matters(change: Any, expected: list[str]) -> None:
    assert [name for name, _ in bad(change)] == expected


def test_distance_is_measured_by_the_spread_of_real_images_and_in_each_class() -> None:
    def networks(**figures: Any) -> dict[str, Any]:
        return {"by_features": [each | figures for each in FIGURES["by_features"]]}

    assert bad(networks(**kids(0.09, 0.1)[0])) == []
    assert bad(networks(**kids(0.12, 0.1)[0])) == [("distance", None)] * 2
    assert bad(networks(**kids(0.12, 0.1, se=0.03)[0])) == []
    assert bad({}, by_features=kids(0.12, 0.2)) == [("distance", "normal")] * 4
    # What fails in all images is not said of the class again.
    assert bad(networks(**kids(0.12, 0.1)[0]), by_features=kids(0.12, 0.0)) == [("distance", None)] * 2
    assert bad({}, images=29, by_features=kids(9, 9)) == []


def test_variety_is_judged_by_the_random_network() -> None:
    def recall(value: float, network: int) -> dict[str, Any]:
        rows = copy.deepcopy(FIGURES["by_features"])
        rows[network]["recall"] = {"value": value, "real": 0.9}
        return {"by_features": rows}

    assert bad(recall(0.1, 0)) == []
    assert bad(recall(0.1, 1)) == [("variety", None)]
    assert bad(recall(0.5, 1)) == []


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge(make_older_fidelity(make_manifest()), "multi-class") is None
    names = {check["check"] for check in judge(FIGURES, "multi-label") or []}
    assert names == {"contrast", "grain", "distance", "variety", "hard", "easy"}
    nothing = dict.fromkeys(("finest", "label_auc"))
    rows = [{**each, "kid": None, "kid_blurred": None, "recall": None} for each in FIGURES["by_features"]]
    assert bad({**nothing, "by_features": rows}) == []
