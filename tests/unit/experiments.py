"""A git repository with a fabricated history of experiments: small files, and every one of them changes at will."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from recorded_run import git

# The fixture `compared`: the command, run; see conftest.py.
Compare = Callable[..., str]

IMAGES = 400
CLASSES = ("Bag", "Coat", "Shirt", "T-shirt/top")
METRICS = Path("results/metrics")


class Experiments:
    """A working tree in the current directory; what is set here is on disk after `write` and in git after `commit`."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {
            "seed": 0,
            "train": {"epochs": 3, "optimizer": {"name": "sgd", "learning_rate": 0.2}},
        }
        self.data = {"data/raw/base.tar": "a" * 32, "data/prepared/base.safetensors": "b" * 32}
        self.modules = {"intaglio.training.loop": "1"}
        self.packages = {"torch": "2.14.1"}
        self.wrong: dict[str, list[int]] = {"base": list(range(40))}
        self.extra: dict[str, Any] = {}
        self.commits = 0
        git("init", "--quiet", "--initial-branch", "main")

    def write(self) -> None:
        """Write all files of a run."""
        put("params.yaml", self.settings)
        outs = [{"path": path, "md5": md5} for path, md5 in self.data.items()]
        ran = {key: self.settings[key] for key in ("seed", "train")}
        stages: dict[str, Any] = {
            "prepare@base": {"cmd": "prepare", "outs": outs},
            "train": {"params": {"params.yaml": ran}},
        }
        for network in self.wrong:
            deps = [data for data in outs if data["path"].startswith("data/prepared/")]
            stages[f"evaluate@{network}"] = {
                "deps": deps,
                "outs": [{"path": f"{METRICS}/{network}.predictions.csv", "md5": "e" * 32}],
            }
        put("dvc.lock", {"schema": "2.0", "stages": stages})
        put("workflow/code/train.json", {"modules": self.modules, "packages": self.packages})
        for network, wrong in self.wrong.items():
            self.measure(network, wrong)

    def measure(self, network: str, wrong: Iterable[int], **more: Any) -> None:
        """Write the files of one network, which takes some images for the next class."""
        mistaken = set(wrong)
        rows, right = ["image,label,prediction,confidence"], 0
        for image in range(IMAGES):
            place = image % len(CLASSES)
            taken = (place + (image in mistaken)) % len(CLASSES)
            right += taken == place
            rows.append(f"{image},{CLASSES[place]},{CLASSES[taken]},0.9")
        accuracy = right / IMAGES
        put(f"{METRICS}/{network}.predictions.csv", "\n".join(rows) + "\n")
        recall = {
            name: 1 - sum(CLASSES[image % len(CLASSES)] == name for image in mistaken) / (IMAGES / len(CLASSES))
            for name in CLASSES
        }
        loss = round(3 * (1 - accuracy), 6)
        tested = {"accuracy": accuracy, "loss": loss, "images": IMAGES, "recall": recall, **self.extra, **more}
        put(f"{METRICS}/{network}.test.json", tested)
        epochs = self.settings["train"].get("epochs", 3)
        put(f"{METRICS}/{network}.json", {"epochs": epochs, "final": {"validation_accuracy": accuracy}})
        curve = [f"{epoch},{2 / epoch:g},{accuracy * epoch / epochs:g}" for epoch in range(1, epochs + 1)]
        put(f"{METRICS}/{network}.csv", "\n".join(["epoch,train_loss,validation_accuracy", *curve]) + "\n")

    def commit(self, subject: str, write: bool = True) -> str:
        """Commit everything; returns the commit's id, which is the same in every run of the tests."""
        if write:
            self.write()
        self.commits += 1
        when = f"2026-01-01T00:00:{self.commits:02} +0000"
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "-m", subject, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
        return git("rev-parse", "HEAD")


def ten_commits() -> Experiments:
    """Ten commits in which settings, code and data change in turn."""
    made = Experiments()
    made.commit("Train a small network")
    made.settings["train"]["optimizer"]["learning_rate"] = 0.1
    made.wrong["base"] = list(range(2, 40))
    made.commit("Halve the learning rate")
    Path("README.md").write_text("Words | pipes and *stars*\n", encoding="utf-8")
    made.commit("Explain `a|b` and *more*")
    made.modules["intaglio.data.augment"] = "1"
    made.wrong["base"] = list(range(20, 40))
    made.commit("Augment the images")
    made.packages["torch"] = "2.15.0"
    made.commit("Take the newer PyTorch")
    made.data = {"data/raw/base.tar": "c" * 32, "data/prepared/base.safetensors": "d" * 32}
    made.wrong["base"] = list(range(24, 40))
    made.commit("Clean the data")
    made.wrong["finetuned"] = list(range(100, 130))
    made.commit("Fine-tune a second network")
    made.extra = {"calibration_error": 0.08}
    made.commit("Measure the calibration error")
    made.wrong["finetuned"] = list(range(100, 140))
    made.settings["train"]["clip_norm"] = 1.0
    made.commit("Clip the gradients")
    made.settings["train"]["epochs"] = 6
    made.wrong["base"] = list(range(24, 39))
    made.commit("Train for longer")
    return made


def put(path: str, content: Any) -> None:
    """Write text, or a value as JSON, which is YAML, too."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
