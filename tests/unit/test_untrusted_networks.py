"""Checkpoints and ONNX files as anybody may have written them: usable, or one line that names the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from test_onnx import CARD, network

from intaglio.errors import UserError
from intaglio.models.checkpoint import KEY, load, save
from intaglio.onnx.session import Session

WIDE = {"name": "speednet", "widths": [100_000] * 3, "whitening": True, "pooling": 2}
CARDS: dict[str, dict[str, Any]] = {
    "widths far too large": {"model": {**WIDE, "widths": [1_000_000] * 3}},
    "more weights than any memory has": {"model": WIDE},
    "a million layers": {"model": {"name": "article_mlp", "hidden": [1] * 1_000_000}},
    "widths of 5,000 digits": {"model": {**WIDE, "widths": [10**400] * 3}},
    "no channels": {"input": {"shape": [0, 12, 12], "built_for": [0, 12, 12], "mean": [], "std": []}},
    "negative sides": {"input": {"shape": [1, -28, -28]}},
    "huge sides": {"input": {"built_for": [1, 10**9, 10**9]}},
    "built for more channels than memory": {"input": {"built_for": [10_000, 12, 12]}},
    "too small an image": {"input": {"built_for": [1, 1, 1]}},
    "no mean": {"input": {"mean": []}},
    "two means": {"input": {"mean": [0.2, 0.2]}},
    "mean not a number": {"input": {"mean": [float("nan")]}},
    "mean out of range": {"input": {"mean": [1e30]}},
    "deviation 0": {"input": {"std": [0.0]}},
    "deviation infinite": {"input": {"std": [float("inf")]}},
    "deviation next to nothing": {"input": {"std": [1e-300]}},
    "a crop of nothing": {"input": {"crop": 1e-9}},
    "an unknown interpolation": {"input": {"interpolation": "magic"}},
    "no classes": {"classes": []},
    "more classes": {"classes": ["a", "b", "c", "d"]},
    "classes of numbers": {"classes": [1, 2, 3]},
    "no set": {"set": None},
}


def card_with(changes: dict[str, Any]) -> str:
    values = json.loads(json.dumps({"model": CARD.model, "classes": CARD.classes, "set": CARD.set}))
    values["input"] = {"shape": [1, 12, 12], "built_for": [1, 12, 12], "mean": [0.2], "std": [0.2]}
    for key, value in changes.items():
        values[key] = {**values[key], **value} if key == "input" else value
    return json.dumps(values)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save(tmp_path / "net.safetensors", network(), CARD)
    return tmp_path / "net.safetensors"


def is_one_line(path: Path, read: Callable[[Path], object]) -> str:
    with pytest.raises(UserError) as error:
        read(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and text.isprintable() and len(text) < 600
    return text


def test_an_unchanged_card_is_read(checkpoint: Path) -> None:
    save_file(load_file(checkpoint), checkpoint, metadata={KEY: card_with({})})
    assert load(checkpoint)[2] == CARD


@pytest.mark.parametrize("changes", CARDS.values(), ids=CARDS.keys())
def test_a_card_of_no_network_that_can_be_is_one_line(checkpoint: Path, changes: dict[str, Any]) -> None:
    save_file(load_file(checkpoint), checkpoint, metadata={KEY: card_with(changes)})
    is_one_line(checkpoint, load)


@pytest.mark.parametrize("card", ["", "[]", "null", "[" * 200_000, '{"model": ' * 3000, '{"a": "\\ud800"}', "\x1b[31m"])
def test_a_card_of_another_shape_is_one_line(checkpoint: Path, card: str) -> None:
    save_file(load_file(checkpoint), checkpoint, metadata={KEY: card})
    is_one_line(checkpoint, load)


@pytest.mark.parametrize(
    "value", [torch.full((3,), float("nan")), torch.full((3,), float("-inf")), torch.zeros(3).double(), torch.zeros(4)]
)
def test_weights_that_are_not_finite_or_of_another_type_are_named(checkpoint: Path, value: torch.Tensor) -> None:
    save_file(load_file(checkpoint) | {"head.bias": value}, checkpoint, metadata={KEY: card_with({})})
    assert "head.bias" in is_one_line(checkpoint, load)


def graph(path: Path, *nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT, **shapes: Any) -> Path:
    """A model of some nodes, from `images` to `logits`."""
    taken = helper.make_tensor_value_info("images", shapes.get("input_kind", kind), shapes.get("images", ["batch", 3]))
    given = helper.make_tensor_value_info("logits", shapes.get("output_kind", kind), shapes.get("logits", ["batch", 3]))
    made = helper.make_graph(nodes, "graph", [taken], [given], shapes.get("weights", []))
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def node(kind: str, *inputs: str, output: str = "logits", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], **attributes)


def constant(name: str, value: Any) -> onnx.NodeProto:
    return node("Constant", output=name, value=numpy_helper.from_array(np.array(value)))


def loop() -> list[onnx.NodeProto]:
    """A loop whose condition is always true."""
    info = helper.make_tensor_value_info
    inputs = [info("round", TensorProto.INT64, []), info("goes_on", TensorProto.BOOL, [])]
    inputs.append(info("before", TensorProto.FLOAT, ["batch", 3]))
    outputs = [info("still", TensorProto.BOOL, []), info("after", TensorProto.FLOAT, ["batch", 3])]
    nodes = [node("Identity", "goes_on", output="still"), node("Abs", "before", output="after")]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    return [constant("always", True), node("Loop", "", "always", "images", body=body)]


@pytest.mark.parametrize(
    ("nodes", "shapes"),
    [
        ([node("Abs", "images")], {"kind": TensorProto.DOUBLE}),
        ([node("Abs", "images")], {"kind": TensorProto.UINT8}),
        ([node("Cast", "images", to=TensorProto.STRING)], {"output_kind": TensorProto.STRING}),
        ([node("Cast", "images", to=TensorProto.DOUBLE)], {"output_kind": TensorProto.DOUBLE}),
        ([node("Abs", "images")], {"images": [1, 3], "logits": [1, 3]}),
        ([node("SequenceConstruct", "images")], {}),
    ],
    ids=["float64", "uint8", "text out", "float64 out", "batch of 1", "sequence out"],
)
def test_a_graph_with_other_inputs_or_outputs_is_one_line(
    tmp_path: Path, nodes: list[onnx.NodeProto], shapes: dict[str, Any]
) -> None:
    is_one_line(graph(tmp_path / "net.onnx", *nodes, **shapes), lambda path: Session(path, 1))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Concat", "images", "images", axis=0)],
        [node("ReduceSum", "images", keepdims=0)],
        [constant("shape", [7, 7]), node("Reshape", "images", "shape")],
        [constant("place", [[9]]), node("GatherND", "images", "place")],
        loop(),
    ],
    ids=["another batch", "a number", "fails", "out of range", "endless loop"],
)
def test_a_graph_that_fails_when_it_runs_is_one_line(
    tmp_path: Path, nodes: list[onnx.NodeProto], capfd: pytest.CaptureFixture[str]
) -> None:
    path = graph(tmp_path / "net.onnx", *nodes, logits=["batch", "classes"])

    def run(path: Path) -> None:
        session = Session(path, 1)
        with session.at_most(0.3):
            session.run(np.zeros((2, 3), np.float32))

    is_one_line(path, run)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "beside"])
def test_weights_in_another_file_are_not_read(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside").write_bytes(bytes(12))
    weight = TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=place)
    path = tmp_path / "net.onnx"
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    made = helper.make_graph([node("Add", "images", "bias")], "graph", [taken], [given], [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    assert "another file" in is_one_line(path, lambda path: Session(path, 1))


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08" * 100, b"x" * 10_000])
def test_bytes_that_are_no_graph_are_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    is_one_line(tmp_path / "net.onnx", lambda path: Session(path, 1))
