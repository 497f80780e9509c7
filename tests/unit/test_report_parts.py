"""The parts of the report: ranks, sentences, classes, figures, the long table, the settings."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from networks import MACHINE, network, write_data

from intaglio.data.store import Prepared
from intaglio.report import wording
from intaglio.report.classes import commonest_mistakes, weakest_first
from intaglio.report.dips import find_dip
from intaglio.report.figures import Curve, curves, show_shares
from intaglio.report.long_table import long_form
from intaglio.report.networks import Network
from intaglio.report.networks import network as with_tables
from intaglio.report.settings import sections
from intaglio.report.standings import Standing, standings
from intaglio.results.confusion import Confusion
from intaglio.results.evaluation import EvaluationRecord, Interval
from intaglio.results.network import DataFacts


@pytest.fixture
def coats(tmp_path: Path) -> Prepared:
    return write_data(tmp_path / "coats.safetensors")


def _network(tmp_path: Path, name: str, prepared: Prepared, row: dict[str, Any] | None = None, **files: Any) -> Network:
    return with_tables(network(tmp_path, name, prepared, row, **files))


def _two(tmp_path: Path, coats: Prepared, wrong: int) -> Standing:
    made = [
        _network(tmp_path, "a", coats, wrong=[0]),
        _network(tmp_path, "b", coats, {"recipe": "r"}, wrong=range(wrong)),
    ]
    (standing,) = standings(made)
    return standing


@pytest.mark.parametrize(("wrong", "behind", "within"), [(1, 0.0, True), (4, 3 / 36, True), (11, 10 / 36, False)])
def test_the_second_best_is_within_noise_or_not(
    tmp_path: Path, coats: Prepared, wrong: int, behind: float, within: bool
) -> None:
    best, second = _two(tmp_path, coats, wrong).entries
    assert best.against_best is None
    assert second.against_best is not None
    assert second.against_best.behind == pytest.approx(behind, abs=1e-6)
    assert second.against_best.within_noise is within


def test_seeds_are_compared_by_their_spread_and_by_the_images(tmp_path: Path, coats: Prepared) -> None:
    made = [
        _network(tmp_path, f"net-{seed}", coats, {"seed": seed}, wrong=range(seed, seed + 1 + seed))
        for seed in range(3)
    ]
    made.append(_network(tmp_path, "other", coats, {"recipe": "r"}, wrong=range(15)))
    (standing,) = standings(made)
    best, other = standing.entries
    assert [each.name for each in best.networks] == ["net-0", "net-1", "net-2"]
    assert best.accuracy == pytest.approx(np.mean([35, 34, 33]) / 36, abs=1e-6)
    assert best.deviation == pytest.approx(1 / 36, abs=1e-6)
    assert other.against_best is not None
    assert other.against_best.p is not None
    assert 0.0001 < other.against_best.p < 0.05
    assert "seeds" in wording.method(standing)


def _folds(tmp_path: Path, name: str, wrong: int, **row: Any) -> list[Network]:
    """Three networks, each tested on another third of the images."""
    made = []
    for fold in range(3):
        prepared = write_data(tmp_path / f"{name}-{fold}.safetensors", name=f"coats-{fold}", first=1000 * fold)
        changes, test = {"data": f"coats-{fold}", **row}, {"fold": fold, "of": 3}
        network_name = f"{name}-fold{fold}"
        made.append(_network(tmp_path, network_name, prepared, changes, test=test, wrong=range(wrong + fold)))
    return made


def test_the_folds_of_a_set_are_one_test_set(tmp_path: Path) -> None:
    made = [*_folds(tmp_path, "a", 1), *_folds(tmp_path, "b", 4, recipe="r")]
    (standing,) = standings(made)
    best, other = standing.entries
    assert (standing.set, best.name, best.counted, best.images) == ("coats", "a", "3 folds", 108)
    assert best.accuracy == pytest.approx(1 - 2 / 36, abs=1e-6)
    assert best.deviation == pytest.approx(1 / 36, abs=1e-6)
    assert other.against_best is not None
    # 15 of 108 images are wrong, of which 6 are so in the best too: 9 of 9 in favour of the best.
    assert other.against_best.p == pytest.approx(2 * 0.5**9)
    assert "McNemar" in wording.method(standing)
    assert "seeds" not in wording.method(standing)


def test_the_folds_of_several_seeds_are_a_run_for_each_seed(tmp_path: Path) -> None:
    made = _folds(tmp_path, "a", 1)
    again = _folds(tmp_path, "a-seed1", 2, seed=1)
    (standing,) = standings([*made, *again])
    (entry,) = standing.entries
    assert (entry.counted, len(entry.runs)) == ("2 × 3 folds", 2)
    (standing,) = standings([*made, *again[:2]])
    assert standing.entries[0].counted == "5 networks"


def test_a_sentence_says_which_is_best_and_whether_chance_explains_it(tmp_path: Path, coats: Prepared) -> None:
    assert re.search(
        r"a is best .* b \(.*\) is level with it: within noise", wording.comparison(_two(tmp_path, coats, 1))
    )
    assert re.search(r"is 27\.78 points below it: more than noise", wording.comparison(_two(tmp_path, coats, 11)))


def test_the_machine_is_named_once_or_for_each_part_where_it_was_another(tmp_path: Path, coats: Prepared) -> None:
    made = [_network(tmp_path, "a", coats), _network(tmp_path, "b", coats)]
    assert wording.machines(made) == [f"Made on: {MACHINE}."]
    made[1] = _network(tmp_path, "b", coats, fingerprint="device cuda")
    assert wording.machines(made) == [
        f"Made on (a, b tested, b compared with ONNX): {MACHINE}.",
        "Made on (b trained): device cuda.",
    ]


@pytest.mark.parametrize(
    ("confidence", "judgement"), [(0.999, "over-confident"), (0.1, "under-confident"), (0.9445, "about as confident")]
)
def test_calibration_is_judged_by_mean_confidence(
    tmp_path: Path, coats: Prepared, confidence: float, judgement: str
) -> None:
    assert judgement in wording.calibration(_network(tmp_path, "a", coats, confidence=confidence), 15)


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.999999, "99.9999 %"), (0.5, "50.0000 %")])
def test_only_full_agreement_is_shown_as_a_hundred_per_cent(share: float, text: str) -> None:
    assert wording.agreement(share) == text


def test_the_weakest_class_and_the_commonest_mistake_come_first() -> None:
    confusion = Confusion(["a", "b", "c"], np.array([[5, 0, 0], [1, 3, 4], [0, 2, 8]]))
    scores = EvaluationRecord(
        images=23,
        accuracy=0.7,
        interval=Interval(low=0.5, high=0.9),
        loss=1.0,
        calibration_error=0.1,
        fingerprint=MACHINE,
        f1={"a": 0.9, "b": 0.5, "c": 0.8},
        precision={"a": 0.8, "b": 0.6, "c": 0.7},
        recall={"a": 1.0, "b": 0.4, "c": 0.8},
    )
    images = {"train": [7, 8, 9], "validation": [1, 2, 3], "test": [5, 8, 10]}
    data = DataFacts(name="d", set="d", classes=["a", "b", "c"], shape=[8, 8, 1], **images)
    rows = weakest_first(confusion, scores, data)
    assert [(row.name, row.test, row.recall) for row in rows] == [("b", 8, 0.4), ("c", 10, 0.8), ("a", 5, 1.0)]
    assert (rows[0].train, rows[0].validation) == (8, 2)
    mistakes = commonest_mistakes(confusion, 2)
    assert [(each.actual, each.predicted, each.count) for each in mistakes] == [("b", "c", 4), ("c", "b", 2)]
    assert mistakes[0].share == 0.5
    assert len(commonest_mistakes(confusion, 9)) == 3


def test_a_loss_that_once_was_high_is_drawn_on_a_logarithmic_scale(tmp_path: Path, coats: Prepared) -> None:
    epochs = _network(tmp_path, "a", coats).epochs
    plain = curves([Curve("a", epochs, 4)], "loss", "Loss").light
    epochs.loc[0, "validation_loss"] = 30.0
    peak = curves([Curve("a", epochs, 4)], "loss", "Loss").light
    assert b"logarithmic scale" not in plain
    assert b"logarithmic scale" in peak


def test_networks_with_the_same_curve_share_a_line(tmp_path: Path, coats: Prepared) -> None:
    epochs = _network(tmp_path, "a", coats).epochs
    one = curves([Curve("a, b", epochs, 4)], "learning_rate", "Rate")
    both = curves([Curve("a", epochs, 4), Curve("b", epochs, 4)], "learning_rate", "Rate")
    assert both.light == one.light
    # With the same validation only, both training curves are drawn, and both rings.
    other = epochs.assign(train_accuracy=epochs["train_accuracy"] / 2)
    for second in (Curve("a", other, 4), Curve("a", epochs, 3)):
        alone = curves([Curve("a", epochs, 4)], "accuracy", "Accuracy").light
        apart = curves([Curve("a", epochs, 4), second], "accuracy", "Accuracy").light
        assert apart.count(b"<path") > alone.count(b"<path") + 3


def test_values_in_the_long_table_have_six_digits() -> None:
    columns = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "learning_rate")
    table = pd.DataFrame({"epoch": [1], **{column: [1 / 3] for column in columns}}).assign(gradient_norm=[float("inf")])
    assert long_form({"base": table}) == (
        "run,split,epoch,metric,value\n"
        "base,train,1,loss,0.333333\n"
        "base,validation,1,loss,0.333333\n"
        "base,train,1,accuracy,0.333333\n"
        "base,validation,1,accuracy,0.333333\n"
        "base,-,1,learning_rate,0.333333\n"
        "base,-,1,gradient_norm,inf\n"
    )


def test_a_section_names_its_networks_unless_all_use_it(tmp_path: Path, coats: Prepared) -> None:
    made = [_network(tmp_path, "a", coats), _network(tmp_path, "b", coats, {"start": "a"})]
    del made[1].record.settings["models.small"]
    shown = {section.name: section for section in sections(made)}
    assert list(shown)[:2] == ["train.a", "finetune.b"]
    assert (shown["compute"].users, shown["models.small"].users, shown["train.a"].users) == ([], ["a"], [])
    assert [setting.key for setting in shown["recipes.full"].settings] == [
        "augment.shift",
        "epochs",
        "optimizer.learning_rate",
        "optimizer.name",
    ]
    # The unit is in what the schema says of the key.
    assert "Pixels" in shown["recipes.full"].settings[0].meaning


def _run(accuracies: list[float], rates: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"validation_accuracy": accuracies, "learning_rate": rates, "train_accuracy": accuracies})


RATES = [0.1, 0.2, 0.2, 0.1, 0.0]


@pytest.mark.parametrize(
    ("accuracies", "rates", "epochs"),
    [
        ([0.5, 0.8, 0.6, 0.7, 0.9], RATES, (2, 3)),
        ([0.5, 0.8, 0.78, 0.8, 0.9], RATES, None),  # too small
        ([0.5, 0.8, 0.6, 0.7, 0.75], RATES, None),  # it does not come back
        ([0.5, 0.8, 0.6, 0.7, 0.9], [0.2, 0.05, 0.05, 0.05, 0.0], None),  # small steps do not explain it
        ([0.5, 0.8, 0.6, 0.7, 0.9], [0.2] * 5, None),  # and so steps that stay large
        ([0.5], [0.2], None),
    ],
)
def test_a_fall_of_validation_is_explained_by_the_learning_rate_only_where_it_was_large(
    accuracies: list[float], rates: list[float], epochs: tuple[int, int] | None
) -> None:
    dip = find_dip(_run(accuracies, rates))
    assert (dip and (dip.before, dip.lowest)) == epochs


def test_shares_end_at_a_hundred_per_cent() -> None:
    axes = Figure().subplots()
    axes.plot([1, 2], [0.0, 1.0])
    show_shares(axes)
    assert axes.get_ylim() == (0, 1)
