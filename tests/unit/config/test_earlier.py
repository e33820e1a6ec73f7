"""A saved config that lacks a newer key stands for what was done before that key existed."""

from gan_aug import config as configs
from gan_aug.verification.report import _as_far_as


def test_a_key_that_a_saved_config_lacks_means_what_was_done_then() -> None:
    fresh = configs.dump(configs.read({"data": {"source": "digits"}}))
    assert fresh["compare"]["rule"] == 2
    saved = {**fresh, "compare": {key: value for key, value in fresh["compare"].items() if key != "rule"}}
    assert configs.completed(saved)["compare"]["rule"] == 1
    assert configs.with_earlier(saved)["compare"]["rule"] == 1
    assert configs.with_earlier(fresh) == fresh
    assert fresh["classifier"]["steps"] is None
    earlier = {key: value for key, value in fresh["classifier"].items() if key != "steps"}
    assert configs.completed({"classifier": earlier})["classifier"]["steps"] == 2000
    assert "compare" not in configs.completed({"seed": 3})


def test_a_folder_whose_training_was_not_scored_goes_on_so() -> None:
    fresh = configs.dump(configs.read({"data": {"source": "digits"}}))
    new = {"score_every", "keep", "patience", "restarts"}
    saved = {**fresh, "train": {key: value for key, value in fresh["train"].items() if key not in new}}
    before = configs.as_before(fresh, saved)["train"]
    assert [before[key] for key in ("score_every", "keep", "patience", "restarts")] == [0, "last", None, 0]
    asked = {**fresh, "train": {**fresh["train"], "score_every": 5000}}
    assert configs.as_before(asked, saved)["train"]["score_every"] == 5000  # it was asked for
    assert configs.as_before(fresh, fresh) == fresh


def test_a_report_of_an_earlier_version_is_compared_as_far_as_it_goes() -> None:
    earlier = {"arms": {"real": {"auc": 1.0}}, "rows": [{"p": 1}, {"p": 2}]}
    again = {"arms": {"real": {"auc": 0.5, "new": 1}}, "rows": [{"p": 1, "q": 3}, {"p": 2, "q": 4}], "also": 3}
    assert _as_far_as(earlier, again) == {"arms": {"real": {"auc": 0.5}}, "rows": [{"p": 1}, {"p": 2}]}
    assert _as_far_as({"rows": []}, {"rows": [1]}) == {"rows": [1]}


def test_a_run_folder_keeps_its_number_of_gans_and_a_new_one_has_three() -> None:
    def settled(before: object, **compare: object) -> int | None:
        asked = configs.read({"data": {"source": "digits"}, "compare": compare})
        return configs.settled(asked, before).compare.gans  # type: ignore[arg-type]

    assert settled(None) == 3
    assert settled(None, seeds=2) == 2
    assert settled(None, gans=5) == 5
    assert configs.read({"data": {"source": "digits"}, "compare": {"gans": 5}}).compare.gans_wanted == 3  # of 3 seeds
    assert settled({"compare": {"seeds": 3}}) == 1  # made before there were several
    assert settled({"compare": {"seeds": 2, "gans": 2}}, seeds=5) == 2
    assert settled({"compare": {"gans": None}}) == 3  # queued, and not yet begun
    assert settled({"compare": {"gans": 1}}, gans=3) == 3
    assert settled({}) == settled([]) == 3
    assert settled(None, synthetic="/images") == 1


def test_a_data_set_of_a_version_without_an_internal_test_has_none() -> None:
    asked = configs.dump(configs.parse({"data": {"source": "pneumoniamnist"}}, "test"))
    saved = {"data": {key: value for key, value in asked["data"].items() if key != "internal_test"}}
    assert configs.as_before(asked, saved)["data"]["internal_test"] == "off"
    assert configs.completed(saved)["data"]["internal_test"] == "off"
    wanted = configs.dump(configs.parse({"data": {"source": "pneumoniamnist", "internal_test": 0.2}}, "test"))
    assert configs.as_before(wanted, saved)["data"]["internal_test"] == 0.2  # so the folder refuses it
