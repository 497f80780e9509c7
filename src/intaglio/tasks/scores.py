"""How good a classifier's predictions are on the test split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from intaglio.results.evaluation import Interval, Score

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def overall(logits: Logits, labels: Labels) -> Score:
    """Accuracy with its 95 % interval (Wilson's, for a share of independent images) and mean cross-entropy."""
    correct = int((logits.argmax(1) == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(0.95, method="wilson")
    losses = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    return Score(
        images=len(labels),
        accuracy=correct / len(labels),
        interval=Interval(low=float(interval.low), high=float(interval.high)),
        loss=float(losses.mean()),
    )


def by_class(logits: Logits, labels: Labels, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each class; 0 where a class was never predicted."""
    figures = precision_recall_fscore_support(
        labels, logits.argmax(1), labels=range(len(classes)), zero_division=np.float64(0)
    )
    return {
        name: {label: float(value) for label, value in zip(classes, values, strict=True)}
        for name, values in zip(("precision", "recall", "f1"), figures[:3], strict=True)
    }


def calibration_error(logits: Logits, labels: Labels, bins: int) -> float:
    """Expected calibration error: how far confidence is from accuracy, averaged over equal bins of confidence.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    confidence, correct = confidences(logits), logits.argmax(1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[bin_of == b].sum() - correct[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def confidences(logits: Logits) -> NDArray[np.float64]:
    """The softmax probability of the predicted class, for each image."""
    probabilities: NDArray[np.float64] = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    highest: NDArray[np.float64] = probabilities.max(1)
    return highest


def count_confusion(logits: Logits, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Counts K×K: a row for each true class, a column for each predicted one."""
    matrix: NDArray[np.int64] = confusion_matrix(labels, logits.argmax(1), labels=range(classes))
    return matrix
