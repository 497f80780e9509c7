"""Whether each network does as well as the recorded one, but for noise: on the test images, and as an ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intaglio.chain.stages import Stage
from intaglio.check.reference import Pair, Reference
from intaglio.errors import UserError
from intaglio.history.differences import read_object
from intaglio.history.noise import compare_paired, read_predictions

MODELS = ("base", "finetuned")


@dataclass(frozen=True)
class Judgement:
    """Whether a network's weights, and its ONNX file, are within noise of the recorded ones; in words, too."""

    weights: bool
    graph: bool
    text: str


def networks_of(stage: Stage) -> tuple[str, ...]:
    """The networks whose weights a stage makes, or makes something of."""
    match stage.name.split("@"):
        case ["train"]:
            return ("base",)
        case ["finetune"]:
            return ("finetuned",)
        case ["evaluate" | "export" | "verify", model]:
            return (model,)
        case ["report"]:
            return MODELS
        case _:
            return ()


def within_noise(stage: Stage, judgements: Mapping[str, Judgement]) -> bool:
    """Whether a difference in a stage's outputs can be called noise."""
    judged = [judgements[model] for model in networks_of(stage)]
    if stage.step in ("export", "verify"):
        return all(judgement.graph for judgement in judged)
    return bool(judged) and all(judgement.weights for judgement in judged)


def judge(model: str, pairs: Mapping[str, Pair], reference: Reference) -> Judgement:
    """Compare a network's predictions with the recorded ones, and how well its ONNX file agrees with it.

    Raises:
        UserError: a table of predictions or a parity file is broken.
    """
    revision = reference.revision.name
    if not _is_current(f"evaluate@{model}", pairs):
        return Judgement(False, False, f"{model}: not compared: its predictions are not those of its weights")
    path = f"results/metrics/{model}.predictions.csv"
    there = read_predictions(reference.output(path), f"{path} at {revision}")
    paired = compare_paired(there, read_predictions(Path(path).read_bytes(), path))
    if paired is None:
        return Judgement(False, False, f"{model}: not compared: the data differ (other test images or other labels)")
    shares = [f"{100 * right / paired.images:.2f} %" for right in paired.right]
    text = (
        f"{model}: {paired.images:,} test images; accuracy {shares[0]} at {revision}, {shares[1]} here; "
        f"right only there {paired.alone[0]}, only here {paired.alone[1]}; exact McNemar test p = {paired.p:.3g}: "
        f"{'within noise' if paired.within_noise else 'more than noise'}"
    )
    if not _is_current(f"verify@{model}", pairs):
        return Judgement(paired.within_noise, False, text)
    path = f"results/metrics/{model}.parity.json"
    before = _agreement(reference.output(path), f"{path} at {revision}")
    now = _agreement(Path(path).read_bytes(), path)
    text += f"; equal predictions in ONNX {100 * before:.4f} % there, {100 * now:.4f} % here"
    return Judgement(paired.within_noise, paired.within_noise and now >= before, text)


def _is_current(name: str, pairs: Mapping[str, Pair]) -> bool:
    """Whether both runs of a stage read the inputs that their side has: a later one may have replaced them."""
    pair = pairs.get(name)
    if pair is None or not pair.known:
        return False
    made = {path: other for other in pairs.values() for path in other.stage.outputs}
    return all(
        run.inputs.get(path) == outputs.get(path)
        for path in made.keys() & pair.stage.inputs
        for run, outputs in (
            (pair.there, made[path].there.outputs),
            (pair.here, made[path].here.outputs),
        )
    )


def _agreement(content: bytes, name: str) -> float:
    value = read_object(content, name).get("agreement")
    if not isinstance(value, int | float):
        raise UserError(f"{name}: agreement: is not a number; make it again, or choose another revision")
    return value
