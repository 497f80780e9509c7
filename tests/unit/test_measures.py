import pytest

from intaglio.compare.measures import change_text, is_detail, is_headline, measure, unit, value_text


@pytest.mark.parametrize(
    ("metric", "better", "share"),
    [
        ("base.test.accuracy", 1, True),
        ("base.test.mirrored.accuracy", 1, True),
        ("base.test.loss", -1, False),
        ("base.test.calibration_error", -1, True),
        ("base.test.recall.Loss adjuster", 1, True),
        ("base.test.f1.a.b, c", 1, True),
        ("base.test.interval.low", 1, True),
        ("base.test.images", 0, False),
        ("base.parity.agreement", 1, True),
        ("base.parity.accuracy.onnx", 1, True),
        ("base.parity.max_difference", -1, False),
        ("base.parity.worst.image", 0, False),
        ("base.final.validation_accuracy", 1, True),
        ("base.best.epoch", 0, False),
        ("base.validation_loss", -1, False),
        ("base.learning_rate", 0, False),
        ("base.gradient_norm", 0, False),
    ],
)
def test_the_format_of_the_metrics_says_what_is_a_share_and_which_direction_is_better(
    metric: str, better: int, share: bool
) -> None:
    assert (measure(metric).better, measure(metric).share) == (better, share)
    assert unit(metric) == (100 if share else 1)


@pytest.mark.parametrize("metric", ["base", "base.test", "base.test.top_5", "mine.loss", "base.test.recall", ""])
def test_nothing_is_assumed_of_a_metric_that_is_not_declared(metric: str) -> None:
    assert (measure(metric).better, measure(metric).share) == (0, False)
    assert not is_headline(metric)
    assert not is_detail(metric)


def test_the_scores_that_older_commits_have_inside_the_training_record_are_known() -> None:
    assert is_headline("scratch.test.accuracy")
    assert is_detail("scratch.test.interval.high")


@pytest.mark.parametrize(
    ("metric", "headline", "detail"),
    [
        ("a.test.accuracy", True, False),
        ("a.test.loss", True, False),
        ("a.test.mirrored.loss", True, False),
        ("a.parity.agreement", True, False),
        ("a.parity.max_difference", False, False),
        ("a.parity.accuracy.onnx", False, True),
        ("a.test.precision.Coat", False, True),
        ("a.final.validation_accuracy", False, False),
    ],
)
def test_headlines_are_measured_on_test_images_and_details_are_left_out(
    metric: str, headline: bool, detail: bool
) -> None:
    assert (is_headline(metric), is_detail(metric)) == (headline, detail)


@pytest.mark.parametrize(
    ("metric", "value", "text", "change"),
    [
        ("a.test.accuracy", 0.9347, "93.47 %", "+93.47 points"),
        ("a.parity.agreement", 0.99999, "99.9990 %", "+100.00 points"),
        ("a.parity.agreement", 1.0, "100.00 %", "+100.00 points"),
        ("a.test.loss", 0.261794, "0.2618", "+0.2618"),
        ("a.steps", 57000, "57,000", "+57,000"),
        ("a.test.loss", float("nan"), "–", "–"),
    ],
)
def test_values_and_changes_are_written_with_their_unit(metric: str, value: float, text: str, change: str) -> None:
    assert value_text(metric, value) == text
    assert change_text(metric, value) == change
