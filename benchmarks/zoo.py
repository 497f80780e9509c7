"""Every network of timm and torchvision: built, given a head, trained a step, and so on; the table docs/networks.md.

    python benchmarks/zoo.py --rows benchmarks/zoo.csv            # hours; start it again, and it goes on where it was
    python benchmarks/zoo.py --rows benchmarks/zoo.csv --table docs/networks.md

A small network of each of timm's modules and of torchvision's is computed in full on small images (`yes` in the
table). The others are taken through the same steps on torch's meta device, which knows the sizes of tensors and holds
no values (`shapes`).
"""

import argparse
import csv
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from intaglio.models.checkpoint import Card
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts, prefixes
from intaglio.models.surgery import adapt_channels, freeze, replace_head
from intaglio.models.zoo import supported, zoo
from intaglio.models.zoo_size import smallest
from intaglio.onnx.graph import export
from intaglio.onnx.session import Session
from intaglio.params.model import Zoo
from intaglio.training.frozen import training_mode

COLUMNS = (
    *("name", "parameters", "side", "flops", "smallest", "groups", "step", "head", "grey", "onnx", "parity"),
    "error",
)
# Networks with more parameters are not computed in full.
LARGEST = 40_000_000
# Sides that are tried for the small images.
SIDES = (64, 96, 128, 160, 192, 224, 256)
# Words for sizes in names, the smallest first, by which a small network of each kind is chosen.
WORDS = ("atto", "femto", "zepto", "pico", "nano", "xxt", "xt", "tiny", "_t", "mini", "xxs", "small", "_s", "_0", "_")
HEAD = """# Networks of timm and torchvision

Made by `python benchmarks/zoo.py`; nothing here is edited by hand. Each name can be written as `name` of a row of
`models` in `params.yaml`.

- **parameters**, **FLOPs**: with 1000 classes; FLOPs are multiplications and additions (twice the multiply-adds that
  some papers give) for one image of the **side** beside them.
- **smallest**: the side of the smallest images that it takes; empty: not tried.
- **groups**: how many groups of layers `freeze` and `layer_decay` count, without the head.
- **step**, **head**: a training step, and a new last layer for other classes: `yes`: computed on small images;
  `shapes`: tried on torch's meta device, which holds no values.
- **grey**: the largest difference between the outputs for a grey image after the first layer was adapted, and those for
  the same image as red, green and blue before, as a share of the largest; empty: not computed.
- **exported**, **parity**: the largest difference between ONNX Runtime and PyTorch as a share of the largest logit;
  empty: not exported.

"""


def small_side(config: Zoo, least: int | None) -> int | None:
    """The side of the small images that a network is computed on."""
    return next((side for side in SIDES if least is not None and side >= least and trained(config, side)), None)


def trained(config: Zoo, side: int) -> bool:
    """Whether a network built for a side can be trained a step, by the sizes of tensors."""
    try:
        with torch.device("meta"):
            network, _ = zoo(config, (3, side, side), 5)
            step(network, side)
    except Exception:  # whatever a network may raise
        return False
    return True


def step(network: nn.Module, side: int) -> None:
    """A training step on noise, on the current device; frozen layers stay as they are."""
    training_mode(network)
    network.zero_grad()
    images = torch.randn(4, 3, side, side)
    labels = torch.arange(4)
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    weights = [parameter for parameter in network.parameters() if parameter.grad is not None]
    torch.optim.SGD(weights, lr=0.01).step()


def check_frozen_step(network: nn.Module, parts: Parts, side: int) -> None:
    """Check that a step leaves the frozen half of a network as it is, statistics included, and moves the rest."""
    half = max(1, len(parts.blocks) // 2)
    freeze(network, parts, half)
    frozen = {name for group in parts.blocks[:half] for name in group}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step(network, side)
    network.requires_grad_(True)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    wrong = {name for name in moved if not frozen.isdisjoint(prefixes(name))}
    assert not wrong, f"{min(wrong)} is frozen and moved"
    assert {name for name in moved if name.startswith("backbone.")}, "nothing but the head moved"


def check_groups(network: nn.Module, parts: Parts) -> None:
    """Check that the groups have each parameter but the head's once, and that the first half can be frozen."""
    named = [name for group in parts.blocks for name in group]
    for name, _ in network.named_parameters():
        owners = sum(prefix in named for prefix in prefixes(name))
        assert owners == (0 if name.startswith("head.") else 1), f"{name} is in {owners} groups"
    freeze(network, parts, max(1, len(parts.blocks) // 2))
    assert not all(parameter.requires_grad for parameter in network.parameters())
    assert any(parameter.requires_grad for parameter in network.parameters())
    network.requires_grad_(True)


def shapes(config: Zoo, side: int) -> dict[str, object]:
    """What can be known without values."""
    with torch.device("meta"):
        network, parts = zoo(config, (3, side, side), 1000)
        network.requires_grad_(False)  # the counter follows gradients
        counter = FlopCounterMode(display=False)
        with counter:
            network.eval()(torch.zeros(1, 3, side, side))
        network.requires_grad_(True)
        found: dict[str, object] = {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "side": side,
            "flops": counter.get_total_flops(),
            "groups": len(parts.blocks),
        }
        check_groups(network, parts)
        step(network, side)
        replace_head(network, parts, 7)
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)
    return found | {"step": "shapes", "head": "shapes"}


def values(config: Zoo, side: int, onnx: Path) -> dict[str, object]:
    """What has to be computed: a step, grey images, a new head, and the exported file `onnx`."""
    torch.manual_seed(0)
    network, parts = zoo(config, (3, side, side), 5)
    step(network, side)
    check_frozen_step(network, parts, side)
    network.eval()
    grey = torch.randn(3, 1, side, side)
    with torch.no_grad():
        before = network(grey.expand(-1, 3, -1, -1))
        adapt_channels(network, parts, 3, 1)
        after = network(grey)
    replace_head(network, parts, 7)
    card = Card(
        model=config.model_dump(),
        input=ImageInput(shape=(1, side, side), built_for=(3, side, side), mean=(0.5,), std=(0.5,)),
        classes=tuple("abcdefg"),
        set="noise",
    )
    found: dict[str, object] = {"step": "yes", "head": "yes", "grey": f"{relative(after, before):.0e}"}
    export(network, card, onnx, 20)
    outputs = torch.from_numpy(Session(onnx, 2).run(grey.numpy()))
    with torch.no_grad():
        return found | {"onnx": "yes", "parity": f"{relative(outputs, network(grey)):.0e}"}


def relative(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference as a share of the largest absolute value, which must not be 0."""
    largest = other.abs().max().item()
    assert largest > 0, "all outputs are 0"
    return (one - other).abs().max().item() / largest


def row_of(name: str, in_full: bool) -> dict[str, object]:
    """A row of the table."""
    config = Zoo(name=name)
    row: dict[str, object] = {"name": name}
    try:
        row |= shapes(config, usual_side(config))
        if in_full:
            row["smallest"] = smallest(config)
            side = small_side(config, smallest(config))
            if side is not None and int(str(row["parameters"])) <= LARGEST:
                with tempfile.TemporaryDirectory() as folder:
                    row |= values(config, side, Path(folder) / "net.onnx")
    except Exception as error:  # whatever a network may raise; the table says so
        row["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return row


def usual_side(config: Zoo) -> int:
    """The side that a network is usually trained at."""
    if config.library == "torchvision":
        return 299 if config.architecture == "inception_v3" else 224
    import timm

    usual = timm.get_pretrained_cfg(config.architecture)
    return usual.input_size[-1] if usual is not None else 224


def in_order() -> Iterator[tuple[str, bool]]:
    """All networks, with whether they are computed in full: those first."""
    from timm.models._registry import _model_to_module

    families: dict[str, list[str]] = {}
    for name in supported():
        library, _, architecture = name.partition("/")
        family = _model_to_module[architecture] if library == "timm" else re.split("_|[0-9]", architecture)[0]
        families.setdefault(f"{library}/{family}", []).append(name)
    first = {min(names, key=size_hint) for names in families.values()}
    yield from ((name, True) for name in supported() if name in first)
    yield from ((name, False) for name in supported() if name not in first)


def size_hint(name: str) -> tuple[int, int, str]:
    """How large a network is likely to be, by its name."""
    word = next(number for number, word in enumerate((*WORDS, "")) if word in name)
    digits = re.search("[0-9]+", name)
    return word, int(digits[0]) if digits else 0, name


def write_table(rows: list[dict[str, str]], path: Path) -> None:
    """The rows as a page."""
    lines = [
        "| name | parameters | FLOPs | side | smallest | groups | step | head | grey | exported | parity |",
        "|---|--:|--:|--:|--:|--:|---|---|--:|---|--:|",
    ]
    for row in sorted(rows, key=lambda row: row["name"]):
        if row["error"] and not row["step"]:
            lines.append(f"| `{row['name']}` | does not work: {row['error'].replace('|', '/')} |||||||||")
            continue
        count = f"{int(row['parameters']) / 1e6:.1f} M"
        flops = f"{int(row['flops']) / 1e9:.2g} G"
        cells = [row[key] for key in ("side", "smallest", "groups", "step", "head", "grey", "onnx", "parity")]
        note = f" ({row['error'].replace('|', '/')})" if row["error"] else ""
        lines.append(f"| `{row['name']}`{note} | {count} | {flops} | {' | '.join(cells)} |")
    names = supported()
    tried = {row["name"] for row in rows}
    left = ", ".join(f"`{name}`" for name in names if name not in tried)
    lines += [
        "",
        f"{len(tried)} of {len(names)} networks were tried so far. The names of the others: {left or 'none'}.",
    ]
    path.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Go on with the rows, or write the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=Path, required=True)
    options.add_argument("--table", type=Path)
    chosen = options.parse_args()
    done = list(csv.DictReader(chosen.rows.open(encoding="utf-8"))) if chosen.rows.is_file() else []
    if chosen.table is not None:
        write_table(done, chosen.table)
        return
    torch.set_num_threads(1)
    names = {row["name"] for row in done}
    with chosen.rows.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for name, in_full in in_order():
            if name not in names:
                start = time.monotonic()
                writer.writerow(row_of(name, in_full))
                file.flush()
                print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
