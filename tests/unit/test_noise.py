"""The verdicts on chance, for simulated networks whose true accuracy is known."""

import numpy as np
import pandas as pd
import pytest

from intaglio.history.noise import compare_means, compare_paired, compare_seeds, runs

IMAGES = 10_000
PAIRS = 500


def predictions(right: "np.typing.NDArray[np.bool_]") -> pd.DataFrame:
    return pd.DataFrame({"label": "a", "prediction": np.where(right, "a", "b")})


def share_called_different(gap: float, discordant: float, generator: np.random.Generator) -> float:
    """The share of pairs called different, of networks that differ on some images, with a true gap in accuracy."""
    only_there, only_here = (discordant - gap) / 2, (discordant + gap) / 2
    different = 0
    for _ in range(PAIRS):
        chance = generator.random(IMAGES)
        both = chance > discordant + 0.05
        there = both | (chance < only_there)
        here = both | ((chance >= only_there) & (chance < only_there + only_here))
        paired = compare_paired(predictions(there), predictions(here))
        assert paired is not None
        different += not paired.within_noise
    return different / PAIRS


def test_equally_good_networks_are_seldom_called_different() -> None:
    share = share_called_different(0.0, 0.07, np.random.default_rng(5))
    # The exact test keeps below its level of 5 %: in the long run it is 4.5 % here.
    assert 0.01 <= share <= 0.08


def test_a_gap_of_one_point_is_seen_on_ten_thousand_images() -> None:
    # In the long run it is 96.3 %, and with the mid-p variant, which does not keep to its level, 96.6 %.
    assert share_called_different(0.01, 0.07, np.random.default_rng(5)) >= 0.95


def test_experiments_that_differ_in_nothing_are_seldom_called_different_by_their_seeds() -> None:
    generator = np.random.default_rng(5)
    for there, here in ((3, 3), (3, 1), (2, 1)):
        p = [compare_seeds(generator.normal(size=there), generator.normal(size=here)) for _ in range(2000)]
        assert 0.035 <= np.mean([value is not None and value < 0.05 for value in p]) <= 0.065


def test_a_difference_much_larger_than_the_spread_between_seeds_is_seen() -> None:
    assert (compare_seeds([0.90, 0.91, 0.92], [0.95, 0.96, 0.97]) or 1) < 0.01
    assert (compare_seeds([0.90, 0.91, 0.92], [0.92]) or 0) > 0.3


@pytest.mark.parametrize(("there", "here"), [([0.9], [0.8]), ([0.9, 0.9], [0.8]), ([0.9, 0.9], [0.8, 0.8])])
def test_without_a_spread_between_seeds_there_is_no_p(there: list[float], here: list[float]) -> None:
    assert compare_seeds(there, here) is None


def test_the_means_of_several_networks_are_compared_image_by_image() -> None:
    generator = np.random.default_rng(5)
    there, good, same = (
        [predictions(generator.random(1000) < share) for _ in range(3)] for share in (0.90, 0.95, 0.90)
    )
    assert (compare_means(there, good) or 1) < 0.001
    assert (compare_means(there, same) or 0) > 0.05
    assert compare_means(there, there) is None
    assert compare_means(there, [table.assign(label="c") for table in good]) is None


def test_the_exact_test_counts_only_images_on_which_the_networks_differ() -> None:
    there = pd.DataFrame({"label": list("aaaa"), "prediction": list("aabb")}, index=pd.Index(list("1234")))
    here = pd.DataFrame({"label": list("aaaa"), "prediction": list("bbba")}, index=pd.Index(list("4321")))
    paired = compare_paired(there, here)
    assert paired is not None
    assert (paired.images, paired.right, paired.alone, paired.p) == (4, (2, 1), (1, 0), 1.0)
    assert compare_paired(there, here.iloc[:3]) is None
    assert compare_paired(there, here.assign(label="b")) is None


def test_tables_of_folds_become_one_run_and_those_of_seeds_stay() -> None:
    folds = [
        predictions(np.array([True, fold == 0])).set_index(pd.Index([2 * fold, 2 * fold + 1])) for fold in range(3)
    ]
    (joined,) = runs(folds)
    assert sorted(joined.index) == [*range(6)]
    assert [len(run) for run in runs([folds[0], folds[0], *folds[1:], folds[1]])] == [6, 4]
