"""The test images that the report shows with their predictions."""

import base64
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from intaglio.results.inputs import Input
from intaglio.results.network import Sample, Samples

Picture = Callable[[int], npt.NDArray[np.uint8]]  # by position in the test split, H×W×C, C 1 or 3


def match(
    source: Input,
    predictions: pd.DataFrame,
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    classes: list[str],
) -> pd.DataFrame:
    """Give each prediction the position of its image in the test split.

    Args:
        source: where the predictions come from, for errors.
        predictions: as `tables.read_predictions` gives them, N rows.
        rows: N, the test images' rows in the data set.
        labels: N, their classes by number.
        classes: the names of the classes.

    Returns:
        The predictions with a column `position`, sorted by image.

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
        raise source.error(f"line {row + 2}: label: image {merged['image'][row]} has another one in the prepared data")
    if len(merged) != len(rows):
        raise source.error(f"has {len(merged)} rows where the prepared test split has {len(rows)} images")
    unknown = ~merged["prediction"].isin(classes)
    if unknown.any():
        raise source.error(f"line {int(np.argmax(unknown.to_numpy())) + 2}: prediction: is not a class of the data")
    return merged.drop(columns="truth").astype({"position": np.int64}).sort_values("image", ignore_index=True)


def choose(matched: pd.DataFrame, image: Picture, count: int) -> Samples:
    """Choose up to `count` images: half the mistakes of highest confidence, then evenly spaced among the right ones.

    Args:
        matched: as `match` gives it.
        image: gives the test image at a position.
        count: how many; where fewer than half are mistakes, right ones take their place.
    """
    right = matched["label"] == matched["prediction"]
    mistakes = matched[~right].sort_values(["confidence", "image"], ascending=[False, True])[: (count + 1) // 2]
    correct = matched[right]
    wanted = min(count - len(mistakes), len(correct))
    spaced = np.arange(wanted) * len(correct) // max(wanted, 1)
    return Samples(mistakes=_samples(mistakes, image), correct=_samples(correct.iloc[spaced], image))


def _samples(chosen: pd.DataFrame, image: Picture) -> list[Sample]:
    columns = ("position", "image", "label", "prediction", "confidence")
    rows = zip(*(chosen[name].tolist() for name in columns), strict=True)
    return [
        Sample(
            image=row, label=label, prediction=prediction, confidence=confidence, png=_in_base64(png(image(position)))
        )
        for position, row, label, prediction, confidence in rows
    ]


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """An H×W×C image (uint8, C 1 or 3) as PNG, at its own size."""
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def _in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
