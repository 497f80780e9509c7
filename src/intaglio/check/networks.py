"""Whether each network does as well as the recorded one, but for noise: on the test images, and as an ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intaglio.chain.stages import Stage
from intaglio.check.reference import Pair, Reference
from intaglio.errors import UserError
from intaglio.history.differences import read_object
from intaglio.history.files import PREDICTIONS, network_of
from intaglio.history.noise import compare_paired, read_predictions
from intaglio.history.snapshot import METRICS

# What belongs to one network has its name: results/metrics/NETWORK.test.json.
FOLDERS = (f"{METRICS}/", "results/checkpoints/", "results/onnx/", "results/graphs/", "results/report/networks/")


@dataclass(frozen=True)
class Judgement:
    """Whether a network's weights, and its ONNX file, are within noise of the recorded ones; in words, too."""

    weights: bool
    graph: bool
    text: str


def networks_of(stage: Stage) -> list[str]:
    """The networks that a stage makes files of; for one that makes none, the networks whose files it reads."""
    for paths in (stage.outputs, stage.inputs):
        networks = dict.fromkeys(network_of(path) for path in paths if path.startswith(FOLDERS))
        if networks:
            return list(networks)
    return []


def within_noise(stage: Stage, judgements: Mapping[str, Judgement]) -> bool:
    """Whether a difference in a stage's outputs can be called noise."""
    # A picture shows the graph and no weights, so other weights do not explain another picture.
    if stage.step == "visualize":
        return False
    judged = [judgements.get(network) for network in networks_of(stage)]
    if stage.step in ("export", "verify"):
        return all(judgement is not None and judgement.graph for judgement in judged)
    return bool(judged) and all(judgement is None or judgement.weights for judgement in judged)


def judge(network: str, pairs: Mapping[str, Pair], reference: Reference) -> Judgement:
    """Compare a network's predictions with the recorded ones, and how well its ONNX file agrees with it.

    Raises:
        UserError: a table of predictions or a parity file is broken.
    """
    path = f"{METRICS}/{network}{PREDICTIONS}"
    if not _is_current(path, pairs):
        return Judgement(False, False, f"{network}: not compared: its predictions are not those of its weights")
    there = read_predictions(reference.output(path), f"{path} at {reference.name}")
    paired = compare_paired(there, read_predictions(Path(path).read_bytes(), path))
    if paired is None:
        return Judgement(False, False, f"{network}: not compared: the data differ (other test images or other labels)")
    shares = [f"{100 * right / paired.images:.2f} %" for right in paired.right]
    text = (
        f"{network}: {paired.images:,} test images; accuracy {shares[0]} at {reference.name}, {shares[1]} here; "
        f"right only there {paired.alone[0]}, only here {paired.alone[1]}; exact McNemar test p = {paired.p:.3g}: "
        f"{'within noise' if paired.within_noise else 'more than noise'}"
    )
    path = f"{METRICS}/{network}.parity.json"
    if not _is_current(path, pairs):
        return Judgement(paired.within_noise, False, text)
    before = _agreement(reference.output(path), f"{path} at {reference.name}")
    now = _agreement(Path(path).read_bytes(), path)
    text += f"; equal predictions in ONNX {100 * before:.4f} % there, {100 * now:.4f} % here"
    return Judgement(paired.within_noise, paired.within_noise and now >= before, text)


def _is_current(path: str, pairs: Mapping[str, Pair]) -> bool:
    """Whether both runs that made a file read the inputs that their side has: a later run may have replaced them."""
    made = {output: pair for pair in pairs.values() for output in pair.stage.outputs}
    pair = made.get(path)
    if pair is None or not pair.recorded:
        return False
    return all(
        run.inputs.get(name) == outputs.get(name)
        for name in made.keys() & pair.stage.inputs
        for run, outputs in (
            (pair.there, made[name].there.outputs),
            (pair.here, made[name].here.outputs),
        )
    )


def _agreement(content: bytes, name: str) -> float:
    value = read_object(content, name).get("agreement")
    if not isinstance(value, int | float):
        raise UserError(f"{name}: agreement: not a number; make it again, or choose another revision")
    return value
