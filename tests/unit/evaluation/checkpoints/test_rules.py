"""The rules by which a training is judged, on scores written down by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gan_aug.config.gan import TrainConfig
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.checkpoints.likeness import Likeness
from gan_aug.evaluation.checkpoints.rules import Rules, restart_seed
from gan_aug.evaluation.checkpoints.scores import CheckpointScore, Scores

REAL = Likeness(0.0, 0.02, 0.0, 0.003, 1.0, 0.9, 0.9, 0.95, 0.94)
SOUND = Likeness(0.5, 0.02, 0.01, 0.003, 1.5, 0.8, 0.7, 0.5, 0.9)


def rules(**train: Any) -> Rules:
    return Rules(TrainConfig(images=100_000, score_every=10_000, **train), seed=7, chance=0.5)


def point(images: int, kid: float = 0.5, **figures: float) -> CheckpointScore:
    return CheckpointScore(images, replace(SOUND, kid=kid, **figures), 0.5, 0.5, 0.5, 0.5)


def judged(of: Rules, *kids: float, **figures: float) -> Scores:
    """The scores of a training with these distances, one for each 10,000 images."""
    scores = Scores("asked", 100, REAL, ends=of.train.images)
    for number, kid in enumerate(kids, start=1):
        scores = of.decided(scores, point(10_000 * number, kid, **figures))
    return scores


def test_the_newest_within_one_standard_error_of_the_lowest_distance_is_kept() -> None:
    assert judged(rules(), 0.5, 0.3, 0.2).best == 30_000
    assert judged(rules(), 0.5, 0.2, 0.219).best == 30_000
    assert judged(rules(), 0.5, 0.2, 0.219, 0.238).best == 30_000  # it is further than that from the lowest
    assert judged(rules(), 0.2, 0.3, 0.25).best == 10_000
    assert judged(rules(keep="last"), 0.2, 0.3).best is None
    assert judged(rules(keep="last"), 0.2, 0.3).good == 10_000


def test_a_checkpoint_that_pleases_the_classifier_alone_is_not_kept() -> None:
    """Black images may be nearer to real ones by its features than recognisable films."""
    of = rules()
    black = of.decided(judged(of, 0.5, 0.4), point(30_000, 0.1, random_kid=0.039 + 5 * 0.01))
    assert (black.best, black.restarts, black.ends) == (20_000, (), 100_000)
    assert of.decided(judged(of, 0.5, 0.4), point(30_000, 0.1, random_kid=0.02)).best == 30_000


def test_a_collapse_goes_back_to_the_good_checkpoint_with_another_seed_and_then_ends() -> None:
    of = rules()
    scores = of.decided(judged(of, 0.5, 0.3), point(30_000, 4.0))
    (restart,) = scores.restarts
    assert (restart.broke_at, restart.went_on_from, restart.seed) == (30_000, 20_000, restart_seed(7, 1))
    assert [one.images for one in scores.scores] == [10_000, 20_000]
    assert (scores.good, scores.best, scores.ends) == (20_000, 20_000, 100_000)
    assert "KID) of 4 from real ones, and were at 0.3 after 20,000 images" in scores.said
    assert "from its checkpoint after 20,000 images with another seed (restart 1 of 1" in scores.said

    again = of.decided(of.decided(scores, point(30_000, 0.25)), point(40_000, 3.0))
    assert (again.ends, again.best, len(again.restarts)) == (40_000, 30_000, 1)
    assert "the checkpoint after 30,000 images is kept. Lower train.lr" in again.said


@pytest.mark.parametrize(
    ("kid", "kid_se", "random_kid"),
    [
        (1.1, 0.02, 0.01),  # not four times the good one's
        (1.5, 0.4, 0.01),  # within chance
        (0.3, 0.02, 0.19),  # more than four times, but at an ordinary level
    ],
)
def test_what_may_be_chance_is_no_collapse(kid: float, kid_se: float, random_kid: float) -> None:
    of = rules()
    scores = of.decided(judged(of, 0.5, 0.3), point(30_000, kid, kid_se=kid_se, random_kid=random_kid))
    assert (scores.restarts, scores.said) == ((), "")


def test_a_collapse_by_random_features_counts_too() -> None:
    of = rules(restarts=0)
    scores = of.decided(judged(of, 0.5, 0.3), point(30_000, 0.2, random_kid=0.3))
    assert (scores.ends, scores.best) == (30_000, 20_000)
    assert "by random features" in scores.said


def test_an_unsound_end_begins_anew_if_it_was_stuck_and_else_says_what_to_change() -> None:
    of = rules(patience=None)
    stuck = judged(of, *[9.0] * 10, labels=0.52)
    (restart,) = stuck.restarts
    assert (restart.broke_at, restart.went_on_from, stuck.scores, stuck.good, stuck.best) == (
        100_000,
        0,
        (),
        None,
        None,
    )
    assert "sees the label asked for in 52% of its images, and in 94% of real ones. It goes on anew" in stuck.said

    second = stuck
    for number in range(1, 11):
        second = of.decided(second, point(10_000 * number, 9.0, coverage=0.04))
    assert (len(second.restarts), second.best, second.ends) == (1, 100_000, 100_000)
    assert "4.0% of the validation images have one of its images nearby, and 95% another" in second.said
    assert "Raise train.images" in second.said

    unripe = judged(of, *[10.0 / 2**number for number in range(10)], labels=0.52)
    assert (unripe.restarts, unripe.best) == ((), 100_000)
    assert "is not sound" in unripe.said


def test_a_sound_training_is_told_nothing() -> None:
    assert judged(rules(), *[1.0 / number for number in range(1, 11)]).said == ""
    assert judged(Rules(rules().train, 7, chance=None), *[0.5] * 10, labels=0.1).said == ""  # several labels an image


def test_flat_scores_end_the_training_as_a_shorter_one_would_have_ended() -> None:
    of = rules(patience=3, decay=0.5)
    flat = judged(of, 0.5, 0.3, 0.29, 0.3, 0.31)  # 0.29 is within the standard error
    assert flat.ends == 100_000  # as one of 100,000 images would: no change
    flat = judged(of, 0.3, 0.3, 0.29, 0.3)
    assert flat.ends == 80_000
    assert "ends at 80,000 images" in flat.said
    assert of.decided(flat, point(50_000, 0.29)).ends == 80_000  # decided once
    assert judged(of, 0.3, 0.3, 0.29, 0.25).ends == 100_000
    assert judged(rules(patience=3, decay=0), 0.3, 0.3, 0.29, 0.3).ends == 40_000
    assert judged(rules(patience=3, decay=1), 0.3, 0.3, 0.29, 0.3).ends == 100_000
    assert judged(rules(patience=None, decay=0), *[0.3] * 9).ends == 100_000


def test_random_features_that_still_gain_are_not_flat() -> None:
    of = rules(patience=3)
    scores = judged(of, 0.3, 0.3, 0.3)
    scores = of.decided(scores, point(40_000, 0.3, random_kid=0.001))
    assert scores.ends == 100_000


def test_scores_are_due_at_multiples_and_at_the_end() -> None:
    of = rules()
    scores = judged(of, 0.5)
    assert not of.is_due(scores, 10_000)
    assert not of.is_due(scores, 19_999)
    assert of.is_due(scores, 20_032)
    assert of.is_due(replace(scores, ends=15_000), 15_000)
    assert not of.is_due(replace(scores, ends=10_000), 10_000)


def test_scores_as_of_an_earlier_checkpoint_are_what_they_were_then() -> None:
    of = rules(patience=2)
    whole = judged(of, 0.5, 0.3, 0.29, 0.3)
    assert whole.ends < 100_000
    for number in range(5):
        assert of.as_of(whole, 10_000 * number) == judged(of, *(0.5, 0.3, 0.29, 0.3)[:number])


def test_a_restart_is_kept_where_the_training_went_on_after_it() -> None:
    of = rules()
    scores = of.decided(judged(of, 0.5, 0.3), point(30_000, 4.0))
    assert of.as_of(scores, 20_000).restarts == scores.restarts
    assert of.as_of(scores, 10_000).restarts == ()


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    of = rules()
    scores = of.decided(judged(of, 0.5, 0.3), point(30_000, 4.0))
    scores.save(tmp_path / "scores.json")
    assert Scores.load(tmp_path / "scores.json") == scores
    assert Scores.load(tmp_path / "none.json") is None
    (tmp_path / "scores.json").write_text('{"schema": 1, "scores": [3]}')
    with pytest.raises(CheckpointError, match="remove it and resume"):
        Scores.load(tmp_path / "scores.json")
