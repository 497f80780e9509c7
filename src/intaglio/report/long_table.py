"""`epochs.csv`: the epochs of all networks in long form."""

from collections.abc import Mapping

import pandas as pd

COLUMNS = ("run", "split", "epoch", "metric", "value")

# Column of an epoch table: split and metric in the long table.
SERIES = {
    "train_loss": ("train", "loss"),
    "validation_loss": ("validation", "loss"),
    "train_accuracy": ("train", "accuracy"),
    "validation_accuracy": ("validation", "accuracy"),
    "learning_rate": ("-", "learning_rate"),
    "gradient_norm": ("-", "gradient_norm"),
}


def long_form(runs: Mapping[str, pd.DataFrame]) -> str:
    """All runs as one CSV: `run,split,epoch,metric,value`, a series after the other, values to six digits.

    Args:
        runs: epoch tables by the run's name, in the order in which they are to stand.
    """
    parts = [
        pd.DataFrame({"run": run, "split": split, "epoch": table["epoch"], "metric": metric, "value": table[column]})
        for run, table in runs.items()
        for column, (split, metric) in SERIES.items()
    ]
    whole = pd.concat(parts, ignore_index=True)[list(COLUMNS)]
    whole["value"] = whole["value"].map("{:.6g}".format)
    return whole.to_csv(index=False, lineterminator="\n")
