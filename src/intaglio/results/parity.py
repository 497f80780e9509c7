"""`NETWORK.parity.json`: whether the ONNX file computes what the network computes, written by `verify`."""

from typing import Annotated

from pydantic import Field

from intaglio.results.measure import Accuracy, Count, Difference, Measure, Positive, Share
from intaglio.results.records import Record

# Four decimals: one image of ten thousand is 0.01 %.
Agreement = Annotated[Share, Measure(better=1, share=True, digits=4, headline=True)]


class BothAccuracies(Record):
    """The test accuracy in each runtime."""

    pytorch: Annotated[Accuracy, Measure(better=1, share=True, detail=True)]
    onnx: Annotated[Accuracy, Measure(better=1, share=True, detail=True)]


class WorstImage(Record):
    """Where PyTorch and ONNX differ most: the image's row in the data set, and at which batch size."""

    image: Annotated[Count, Measure(detail=True)]
    difference: Annotated[Difference, Measure(better=-1, detail=True)]
    batch_size: Annotated[Positive, Measure(detail=True)]


class ParityRecord(Record):
    """The differences between PyTorch and ONNX: the worst of all batch sizes.

    Attributes:
        fingerprint: the machine and the packages.
        images: how many were compared.
        agreement: share of the images with the same most likely class.
        max_difference: the largest of a logit.
        relative_difference: the same as a share of the largest absolute logit; what `verify` judges by. Records of
            earlier versions do not have it.
        mean_difference: of the logits.
        accuracy: in both.
        worst: the image with the largest difference.
        batch_sizes: those that were tried.
    """

    fingerprint: str
    images: Positive
    agreement: Agreement
    max_difference: Difference
    relative_difference: Difference | None = None
    mean_difference: Difference
    accuracy: BothAccuracies
    worst: WorstImage
    batch_sizes: Annotated[list[int], Field(min_length=1)]
