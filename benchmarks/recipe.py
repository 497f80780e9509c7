"""What each part of a recipe is worth: trained with it, and with one part left out at a time, over several seeds.

`python benchmarks/recipe.py --help`. Runs are `intaglio train` and `intaglio evaluate` in temporary folders. Several
run side by side with a thread each, which changes results by no more than chance does.
"""

import argparse
import copy
import hashlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
from rows import NAME, with_one_network
from ruamel.yaml import YAML

yaml = YAML(typ="safe")
WHOLE = "the whole recipe"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="images as `intaglio prepare` wrote them")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="all settings (%(default)s)")
    parser.add_argument("--model", default="small", help="row of `models` in it (%(default)s)")
    parser.add_argument("--recipe", default="full", help="row of `recipes` in it (%(default)s)")
    parser.add_argument("--without", type=Path, help="a file of LABEL: {KEY: value, …}, a variant each")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="changes for all runs, as recipe.epochs=3",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--side-by-side", type=int, default=2, help="runs at a time (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of each run (%(default)s)")
    parser.add_argument(
        "--output", type=Path, required=True, help="a CSV file with a row for each run; goes on if there"
    )
    return parser.parse_args()


def put(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; `recipe.` and `model.` are those of the network."""
    *path, last = key.split(".")
    if path and path[0] in ("recipe", "model"):
        path[:1] = [f"{path[0]}s", NAME]
    for part in path:
        settings = settings[part]
    settings[last] = value


def digest(settings: dict[str, Any]) -> str:
    """A name for settings in the table of runs, whatever the seed."""
    text = json.dumps(settings | {"seed": None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run(label: str, seed: int, settings: dict[str, Any], data: Path) -> dict[str, Any]:
    """Train and score once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(settings, "seed", seed)
        yaml.dump(settings, folder / "params.yaml")
        _command(folder, "train", name=NAME, data=data, checkpoint="w.safetensors", epochs="e.csv", summary="s.json")
        outputs = {"scores": "t.json", "confusion": "c.csv", "predictions": "p.csv"}
        _command(folder, "evaluate", name=NAME, data=data, checkpoint="w.safetensors", **outputs)
        trained = json.loads((folder / "s.json").read_text())
        tested = json.loads((folder / "t.json").read_text())
        log = (folder / "logs" / f"train.{NAME}.log").read_text().splitlines()
    row = {
        "variant": label,
        "seed": seed,
        "settings": digest(settings),
        "epochs": settings["recipes"][NAME]["epochs"],
        "accuracy": tested["accuracy"],
        "mirrored": tested.get("mirrored", {}).get("accuracy"),
        "train_accuracy": trained["final"]["train_accuracy"],
        "seconds": float(log[-1].split()[-2]),  # "… done in 12.3 s"
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _command(folder: Path, step: str, **files: object) -> None:
    given = [text for name, value in files.items() for text in (f"--{name}", str(value))]
    command = ["intaglio", step, "--params", "params.yaml", *given]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")


def table(rows: pd.DataFrame) -> str:
    """Mean and standard deviation over the seeds; the loss is that of the same seed with the whole recipe."""
    whole = rows[rows["variant"] == WHOLE].set_index("seed")
    lines = ["| left out | accuracy, % | worth, points | with mirror images, % | s |", "|---|--:|--:|--:|--:|"]
    for variant, group in rows.groupby("variant", sort=False):
        runs = group.set_index("seed")
        gains = whole["accuracy"] - runs["accuracy"]
        worth = "" if variant == WHOLE else f"{100 * gains.mean():+.2f} ± {100 * gains.std():.2f}"
        cells = (variant, _spread(runs["accuracy"]), worth, _spread(runs["mirrored"]), f"{runs.seconds.mean():.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(shares: pd.Series) -> str:
    return f"{100 * shares.mean():.2f} ± {100 * shares.std():.2f}" if shares.notna().all() else "–"


def main() -> None:
    """Run what is not in the output yet, write after each run, print the table."""
    args = options()
    settings: dict[str, Any] = yaml.load(args.params)
    for section, name in (("models", args.model), ("recipes", args.recipe)):
        if name not in settings[section]:
            sys.exit(f"{args.params}: {section} has no row {name}; use one of {', '.join(settings[section])}")
    settings = with_one_network(settings, settings["models"][args.model], settings["recipes"][args.recipe])
    settings["compute"] |= {"device": "cpu", "threads": args.threads}
    settings["evaluate"]["mirror"] = True
    for text in args.set:
        key, value = text.split("=", 1)
        put(settings, key, yaml.load(value))
    variants = {WHOLE: settings}
    for label, changes in (yaml.load(args.without) if args.without else {}).items():
        variants[label] = copy.deepcopy(settings)
        for key, value in changes.items():
            put(variants[label], key, value)
    digests = {label: digest(chosen) for label, chosen in variants.items()}
    rows = pd.read_csv(args.output).to_dict("records") if args.output.exists() else []
    foreign = [row for row in rows if digests.get(row["variant"]) != row["settings"]]
    if foreign:
        sys.exit(f"{args.output}: {foreign[0]['variant']!r} was run with other settings; choose another file")
    ready, writing = {(row["variant"], row["seed"]) for row in rows}, Lock()

    def one(job: tuple[str, int]) -> None:
        row = run(*job, copy.deepcopy(variants[job[0]]), args.data.resolve())
        with writing:
            rows.append(row)
            pd.DataFrame(rows).to_csv(args.output, index=False, float_format="%.6g", lineterminator="\n")

    jobs = [(label, seed) for seed in args.seeds for label in variants if (label, seed) not in ready]
    with ThreadPoolExecutor(args.side_by_side) as pool:
        list(pool.map(one, jobs))
    results = pd.DataFrame(rows)
    results["order"] = results["variant"].map(list(variants).index)
    print(table(results.sort_values(["order", "seed"])))


if __name__ == "__main__":
    main()
