"""Whether two versions of a network differ by more than chance: that of the test images, and that of the seed."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, ttest_ind_from_stats, ttest_rel

from intaglio.errors import UserError

# The usual level: at most one in twenty pairs of equally good networks is taken for different.
LEVEL = 0.05
# With so few runs on both sides together the t test has one or two degrees of freedom.
FEW_RUNS = 4
WEAK = (
    "groups of two seeds: a weak verdict, since only a difference of many standard deviations is then more than noise; "
    "add rows with other seeds"
)


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
        name: the file's name in an error.

    Raises:
        UserError: the content is not such a table, or has an image twice.
    """
    try:
        # As text: a class may be called NA, or 1.0.
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        indexed = table.set_index("image")[["label", "prediction"]]
    except (ValueError, KeyError) as error:
        raise UserError(f"{name}: not a table of predictions; make it again, or choose another revision") from error
    if not indexed.index.is_unique:
        raise UserError(f"{name}: has an image twice; make it again, or choose another revision")
    return indexed


def runs(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Tables of predictions by run: those of the folds of one run, which share no image, become one table."""
    joined: list[list[pd.DataFrame]] = []
    for table in tables:
        run = next((run for run in joined if not any(each.index.isin(table.index).any() for each in run)), None)
        if run is None:
            joined.append([table])
        else:
            run.append(table)
    return [pd.concat(run) if len(run) > 1 else run[0] for run in joined]


def compare_paired(there: pd.DataFrame, here: pd.DataFrame) -> Paired | None:
    """The exact McNemar test of two tables of predictions; None when their images or labels differ.

    Of the images that just one network gets right, each gets about half when they are equally good: a binomial test
    with 1/2. Of five tests for two classifiers and one test set, Dietterich (1998, doi:10.1162/089976698300017197)
    recommends this one where each was trained once.
    """
    there = there.sort_index()
    here = here.sort_index()
    if not there["label"].equals(here["label"]):
        return None
    right_there = there["prediction"] == there["label"]
    right_here = here["prediction"] == here["label"]
    only_there = int((right_there & ~right_here).sum())
    only_here = int((right_here & ~right_there).sum())
    discordant = only_there + only_here
    return Paired(
        images=len(here),
        right=(int(right_there.sum()), int(right_here.sum())),
        alone=(only_there, only_here),
        p=float(binomtest(only_there, discordant).pvalue) if discordant else 1.0,
    )


def compare_means(there: Sequence[pd.DataFrame], here: Sequence[pd.DataFrame]) -> float | None:
    """The p of a paired t test over the images, of how many of the runs on each side get an image right.

    None when the images or labels are not the same in all tables of predictions, or the sides differ on no image.
    """
    tables = [table.sort_index() for table in (*there, *here)]
    if not all(table["label"].equals(tables[0]["label"]) for table in tables):
        return None
    right = np.array([(table["prediction"] == table["label"]).to_numpy() for table in tables], dtype=float)
    before = right[: len(there)].mean(axis=0)
    after = right[len(there) :].mean(axis=0)
    return float(ttest_rel(before, after).pvalue) if np.ptp(before - after) else None


def compare_seeds(there: Sequence[float], here: Sequence[float]) -> float | None:
    """The p of Student's t test of two experiments, of a measure of runs that differ in seed or fold alone.

    The spread between seeds is taken to be the same on both sides, so that a single run can be compared with several
    (Crawford and Howell 1998, doi:10.1076/clin.12.4.482.7241). None when there are fewer than three runs, or no spread.
    """
    spreads = [float(np.std(side, ddof=1)) if len(side) > 1 else 0.0 for side in (there, here)]
    if len(there) + len(here) < 3 or not any(spread > 0 for spread in spreads):
        return None
    before, after = ((np.mean(side), spread, len(side)) for side, spread in zip((there, here), spreads, strict=True))
    return float(ttest_ind_from_stats(*before, *after).pvalue)
