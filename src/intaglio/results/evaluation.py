"""`NETWORK.test.json`: how good a network is on the test split, written by `evaluate`."""

from typing import Annotated

from intaglio.results.measure import Accuracy, Loss, Measure, Positive, Share
from intaglio.results.records import Record

DETAIL = Measure(better=1, share=True, detail=True)
TestAccuracy = Annotated[Accuracy, Measure(better=1, share=True, headline=True)]
TestLoss = Annotated[Loss, Measure(better=-1, headline=True)]
CalibrationError = Annotated[Share, Measure(better=-1, share=True, headline=True)]
OfClass = Annotated[Accuracy, DETAIL]


class Interval(Record):
    """The 95 % confidence interval of an accuracy."""

    low: OfClass
    high: OfClass


class Score(Record):
    """One pass over the test images: accuracy, a share, and mean cross-entropy in nats."""

    images: Positive
    accuracy: TestAccuracy
    interval: Interval
    loss: TestLoss


class EvaluationRecord(Score):
    """The scores of a network.

    Attributes:
        fingerprint: the machine and the packages.
        calibration_error: expected calibration error.
        mirrored: the scores of the mean of the logits of each image and its mirror image, where they were computed.
        precision: by class.
        recall: by class.
        f1: by class.
    """

    fingerprint: str
    calibration_error: CalibrationError
    mirrored: Score | None = None
    precision: dict[str, OfClass]
    recall: dict[str, OfClass]
    f1: dict[str, OfClass]
