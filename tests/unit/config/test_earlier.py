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


def test_a_report_of_an_earlier_version_is_compared_as_far_as_it_goes() -> None:
    earlier = {"arms": {"real": {"auc": 1.0}}, "rows": [{"p": 1}, {"p": 2}]}
    again = {"arms": {"real": {"auc": 0.5, "new": 1}}, "rows": [{"p": 1, "q": 3}, {"p": 2, "q": 4}], "also": 3}
    assert _as_far_as(earlier, again) == {"arms": {"real": {"auc": 0.5}}, "rows": [{"p": 1}, {"p": 2}]}
    assert _as_far_as({"rows": []}, {"rows": [1]}) == {"rows": [1]}
