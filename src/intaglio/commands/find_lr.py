"""find-lr: which learning rate to try for a network."""

from pathlib import Path
from typing import Annotated

FOLDER = Path("logs/find-lr")


def run(name: Annotated[str, "network (row of train or finetune)"]) -> None:
    """Find a learning rate for a network: about a hundred steps at rising rates, with a picture. Changes nothing."""
    from intaglio.chain.stages import PARAMS
    from intaglio.files import replacing, write_text
    from intaglio.params.reader import Params
    from intaglio.params.rows import network_row
    from intaglio.report.rate_curve import rate_curve
    from intaglio.tasks.new_network import new_network
    from intaglio.tasks.tuned_network import tuned_network
    from intaglio.training.rate_test import range_test, suggestion

    settings = Params(PARAMS)
    table, _ = network_row(settings.values, name)
    if table == "train":
        training = new_network(settings, name, _input(name, "data"))
    else:
        training = tuned_network(settings, name, _input(name, "start"), _input(name, "data"))
    points = range_test(
        training.network,
        training.batches.training,
        training.task,
        training.recipe,
        training.machine,
        head=training.parts.head,
        rates=training.rates,
    )
    suggested = suggestion(points)
    now = training.recipe.optimizer.learning_rate

    rows = [f"{point.learning_rate:.6g},{point.loss:.6g},{point.smoothed:.6g}" for point in points]
    table_file = FOLDER / f"{name}.csv"
    write_text(table_file, "\n".join(["learning_rate,loss,smoothed", *rows]) + "\n")
    print(f"the recipe's learning rate: {now:g}")
    if suggested is None:
        print("no suggestion: the loss did not fall at any rate")
    else:
        print(f"suggested: {suggested:.2g} (steepest descent of the loss)")
    if points:
        picture = FOLDER / f"{name}.png"
        rates, losses, smoothed = zip(*((p.learning_rate, p.loss, p.smoothed) for p in points), strict=True)
        with replacing(picture) as temporary:
            temporary.write_bytes(rate_curve(rates, losses, smoothed, suggested=suggested, now=now))
        print(f"{picture}, {table_file}")


def _input(name: str, option: str) -> Path:
    """A file that the step which trains the network reads, as its command names it."""
    import shlex

    from intaglio.chain.stages import read_stages
    from intaglio.errors import UserError

    stages = read_stages().values()
    stage = next(stage for stage in stages if stage.row == name and stage.step in ("train", "finetune"))
    words = shlex.split(stage.command)
    path = Path(words[words.index(f"--{option}") + 1])
    if not path.is_file():
        raise UserError(f"{path}: not there; make it with `snakemake --cores 2 {path}`")
    return path
