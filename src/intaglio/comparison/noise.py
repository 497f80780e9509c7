"""Whether two versions of a network differ by more than chance on the same test images."""

import io
from dataclasses import dataclass

import pandas as pd
from scipy.stats import binomtest

from intaglio.errors import UserError

# The usual level: at most one in twenty pairs of equally good networks is taken for different.
LEVEL = 0.05


@dataclass(frozen=True)
class Paired:
    """Two networks on the same images: how many each gets right, and how many it alone gets right."""

    images: int
    right: tuple[int, int]
    alone: tuple[int, int]
    p: float

    @property
    def within_noise(self) -> bool:
        """Whether chance alone would often make a difference as large."""
        return self.p >= LEVEL


def read_predictions(content: bytes, name: str) -> pd.DataFrame:
    """The test images' predictions, by image: `label` and `prediction` as text.

    Args:
        content: the CSV file that `evaluate` writes.
        name: what to call the file in an error.

    Raises:
        UserError: it is not such a file.
    """
    try:
        # As text: a class may be called NA, or 1.0.
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        return table.set_index("image")[["label", "prediction"]]
    except (ValueError, KeyError) as error:
        raise UserError(f"{name}: is no table of predictions; make it again, or choose another revision") from error


def compare_paired(there: pd.DataFrame, here: pd.DataFrame) -> Paired | None:
    """The exact McNemar test of two tables of predictions; None when their images or labels differ.

    Of the images that just one network gets right, each gets about half when they are equally good: a binomial test
    with 1/2. Of five tests for two classifiers and one test set, Dietterich (1998, doi:10.1162/089976698300017197)
    recommends this one where each was trained once.
    """
    there, here = there.sort_index(), here.sort_index()
    if not there["label"].equals(here["label"]):
        return None
    right_there, right_here = there["prediction"] == there["label"], here["prediction"] == here["label"]
    only_there, only_here = int((right_there & ~right_here).sum()), int((right_here & ~right_there).sum())
    discordant = only_there + only_here
    return Paired(
        images=len(here),
        right=(int(right_there.sum()), int(right_here.sum())),
        alone=(only_there, only_here),
        p=float(binomtest(only_there, discordant).pvalue) if discordant else 1.0,
    )
