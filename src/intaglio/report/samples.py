"""The test images that the page shows with their predictions, and images as PNG."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from intaglio.results.inputs import Input

Picture = Callable[[int], npt.NDArray[np.uint8]]  # by position, H×W×C, C 1 or 3


@dataclass(frozen=True)
class Sample:
    """One test image: its PNG, its row in the set, what it is, what it was taken for, and how surely (a share)."""

    png: bytes
    image: int
    label: str
    prediction: str
    confidence: float


@dataclass(frozen=True)
class Samples:
    """The chosen images, in the order in which they are shown."""

    mistakes: list[Sample]
    correct: list[Sample]


def match(
    source: Input,
    predictions: pd.DataFrame,
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    classes: list[str],
) -> pd.DataFrame:
    """Find each prediction's image in the test split: the predictions with a column `position`, by row in the set.

    Args:
        source: where the predictions come from, for the error.
        predictions: as `tables.read_predictions` gives them, N rows.
        rows: N, the test images' rows in the set's own order.
        labels: N, their classes.
        classes: the names of the classes.

    Raises:
        UserError: an image or label is not that of the data, or an image has no prediction.
    """
    truth = pd.DataFrame({"image": rows, "position": np.arange(len(rows)), "truth": np.asarray(classes)[labels]})
    merged = predictions.merge(truth, on="image", how="left")
    strange = merged["position"].isna()
    if strange.any():
        row = int(np.argmax(strange.to_numpy()))
        raise source.error(f"line {row + 2}: image {merged['image'][row]} is not in the prepared test split")
    wrong = merged["label"] != merged["truth"]
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        raise source.error(f"line {row + 2}: label: the prepared data has another one for image {merged['image'][row]}")
    if len(merged) != len(rows):
        raise source.error(f"has {len(merged)} rows where the prepared test split has {len(rows)} images")
    unknown = ~merged["prediction"].isin(classes)
    if unknown.any():
        raise source.error(f"line {int(np.argmax(unknown.to_numpy())) + 2}: prediction: is not a class of the data")
    return merged.drop(columns="truth").astype({"position": np.int64}).sort_values("image", ignore_index=True)


def choose(matched: pd.DataFrame, image: Picture, count: int) -> Samples:
    """Choose up to `count` images: half the surest mistakes, surest first, the others evenly spaced among the right.

    Args:
        matched: as `match` gives it.
        image: gives the test image at a position.
        count: how many to show; fewer than half are mistakes when there are fewer, and right ones take their place.
    """
    right = matched["label"] == matched["prediction"]
    mistakes = matched[~right].sort_values(["confidence", "image"], ascending=[False, True])[: (count + 1) // 2]
    correct = matched[right]
    wanted = min(count - len(mistakes), len(correct))
    spaced = np.arange(wanted) * len(correct) // max(wanted, 1)
    return Samples(_samples(mistakes, image), _samples(correct.iloc[spaced], image))


def _samples(chosen: pd.DataFrame, image: Picture) -> list[Sample]:
    columns = (chosen[name].tolist() for name in ("position", "image", "label", "prediction", "confidence"))
    return [Sample(png(image(position)), *facts) for position, *facts in zip(*columns, strict=True)]


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """An H×W×C image (uint8, C 1 or 3) as PNG, at its own size."""
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()
