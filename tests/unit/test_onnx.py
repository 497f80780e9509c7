"""ONNX: what is in the file, and whether it computes the same."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from pixels import Pixels
from prepared import write_prepared
from torch import nn

from intaglio.data.batches import Normaliser, PlainBatches
from intaglio.data.view import View
from intaglio.errors import UserError
from intaglio.models.build import build
from intaglio.models.checkpoint import Card, save
from intaglio.models.inputs import ImageInput
from intaglio.onnx.graph import export
from intaglio.onnx.parity import Parity, check_card, compare, summarise
from intaglio.onnx.session import Session
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet
from intaglio.steps import verify

CARD = Card(
    model={"name": "speednet", "widths": [4, 4, 8], "whitening": True, "pooling": 2},
    input=ImageInput(shape=(1, 12, 12), built_for=(1, 12, 12), mean=(0.2,), std=(0.2,)),
    classes=("class 0", "class 1", "class 2"),
    set="digits",
)
CONFIGS: list[Model] = [
    Speednet(name="speednet", widths=[4, 4, 8], whitening=True, pooling=2),
    Speednet(name="speednet", widths=[4, 4, 8], whitening=True, pooling=3),
    ArticleCNN(name="article_cnn", filters=4, hidden=8),
    ArticleMLP(name="article_mlp", hidden=[8]),
]
PARAMS = """
compute: {device: cpu, precision: auto, compile: never, deterministic: true, memory: 64, threads: 2}
verify: {batch_sizes: [1, 7, 30], max_difference: 0.001, min_agreement: 1.0}
"""


def network(config: Model | None = None, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    net, _ = build(config or CONFIGS[0], CARD.input.shape, 3)
    return net.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    export(network(), CARD, path, 20)
    return path


def test_the_file_is_one_valid_model_with_metadata_and_nothing_about_this_machine(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [path.name for path in exported.parent.iterdir()] == ["net.onnx"]
    assert [item.version for item in model.opset_import if item.domain == ""] == [20]
    (images,), (logits,) = model.graph.input, model.graph.output
    dims = [[dim.dim_param or dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in (images, logits)]
    assert dims == [["batch", 1, 12, 12], ["batch", 3]]
    metadata = {item.key: item.value for item in model.metadata_props}
    assert json.loads(metadata["classes"]) == list(CARD.classes)
    assert json.loads(metadata["mean"]) == [0.2] and json.loads(metadata["std"]) == [0.2]
    assert json.loads(metadata["input_size"]) == [12, 12]
    content = exported.read_bytes()
    assert b"stack_trace" not in content and b"/intaglio/" not in content and b".py" not in content


def test_two_exports_are_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    export(network(), CARD, tmp_path / "again.onnx", 20)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


@pytest.mark.parametrize(
    "config",
    CONFIGS,
    ids=lambda config: config.name,
)
@pytest.mark.parametrize("opset", [18, 23])
def test_every_network_computes_the_same_in_every_opset(config: Model, opset: int, tmp_path: Path) -> None:
    net = network(config)
    export(net, CARD, tmp_path / "net.onnx", opset)
    session = Session(tmp_path / "net.onnx", 2)
    check_card(session, CARD)
    images = Pixels(torch.randint(0, 256, (17, 12, 12, 1), dtype=torch.uint8).numpy())
    for size in (1, 7, 17):
        batches = PlainBatches(
            images,
            torch.zeros(17, dtype=torch.int64),
            Normaliser((0.2,), (0.2,)),
            view=View((12, 12)),
            batch_size=size,
            device=torch.device("cpu"),
        )
        result = compare(net, session, batches)
        assert result.pytorch.shape == (17, 3)
        assert result.agreement == 1 and result.differences.max() < 1e-4


def verified(tmp_path: Path, exported: Path, *, seed: int = 0, drift: float = 0.0, zero: bool = False) -> Path:
    """Run the step on a checkpoint of a given seed, its head moved or set to 0, and an ONNX file of seed 0."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    net = network(seed=seed)
    net.head.bias.data += drift
    if zero:
        nn.init.zeros_(net.head.weight)
        nn.init.zeros_(net.head.bias)
    save(tmp_path / "net.safetensors", net, CARD)
    verify.run(
        params=tmp_path / "params.yaml",
        name="base",
        checkpoint=tmp_path / "net.safetensors",
        onnx=exported,
        data=write_prepared(tmp_path / "data.safetensors"),
        parity=tmp_path / "parity.json",
    )
    return tmp_path / "parity.json"


def test_verify_passes_and_writes_the_differences_of_a_correct_export(tmp_path: Path, exported: Path) -> None:
    parity = json.loads(verified(tmp_path, exported).read_text())
    assert parity["images"] == 30 and parity["batch_sizes"] == [1, 7, 30] and parity["agreement"] == 1
    assert parity["accuracy"]["pytorch"] == parity["accuracy"]["onnx"]
    assert 0 <= parity["mean_difference"] <= parity["max_difference"] < 1e-4
    assert 90 <= parity["worst"]["image"] < 120


def test_verify_fails_on_another_networks_export_and_keeps_the_earlier_output(tmp_path: Path, exported: Path) -> None:
    (tmp_path / "parity.json").write_text("earlier")
    with pytest.raises(UserError, match=r"net\.onnx: does not compute what .* at test image \d+, batch size \d+"):
        verified(tmp_path, exported, seed=1)
    assert (tmp_path / "parity.json").read_text() == "earlier"


def test_verify_fails_at_a_difference_above_the_limit(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(UserError, match=r"agreement 1\.0 .*largest difference .* \(most 0\.001\)"):
        verified(tmp_path, exported, drift=0.01)


def test_verify_fails_where_all_logits_are_zero_for_that_would_prove_nothing(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(UserError, match=r"net\.safetensors: .* proves nothing"):
        verified(tmp_path, exported, zero=True)
    assert not (tmp_path / "parity.json").exists()


def test_a_difference_is_a_share_of_the_largest_logit() -> None:
    pytorch = np.array([[1e9, -2e9], [0, 1]], np.float32)
    onnx = pytorch + np.array([[200, 0], [0, 0]], np.float32)
    record = summarise([Parity(2, pytorch, onnx)], np.zeros(2, np.int64), np.arange(2), "a machine")
    assert record.max_difference > 100 and record.relative_difference == pytest.approx(1e-7, rel=0.2)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "other shape", "other classes"])
def test_a_file_that_cannot_be_used_is_an_error_of_one_line(tmp_path: Path, exported: Path, damage: str) -> None:
    path = tmp_path / "net.onnx"
    card = CARD
    path.write_bytes(exported.read_bytes())
    match damage:
        case "missing":
            path.unlink()
        case "text":
            path.write_text("no model")
        case "cut":
            path.write_bytes(path.read_bytes()[:-2000])
        case "other shape":
            card = replace(CARD, input=replace(CARD.input, shape=(3, 12, 12)))
        case "other classes":
            card = replace(CARD, classes=("a", "b", "c"))
    with pytest.raises(UserError, match=r"net\.onnx") as error:
        check_card(Session(path, 1), card)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (TensorProto.FLOAT, [[2, 3]]),
        (TensorProto.DOUBLE, [["batch", 3]]),
        (TensorProto.INT64, [["batch", 3]]),
        (TensorProto.FLOAT, [["batch", 3], ["batch", 3]]),
    ],
    ids=["fixed batch", "double", "int64", "two inputs"],
)
def test_a_session_takes_one_float32_input_with_a_free_batch_size(
    tmp_path: Path, kind: int, shapes: list[list[int | str]]
) -> None:
    path = tmp_path / "net.onnx"
    inputs = [helper.make_tensor_value_info(f"input{n}", kind, shape) for n, shape in enumerate(shapes)]
    outputs = [helper.make_tensor_value_info("output", kind, shapes[0])]
    graph = helper.make_graph([helper.make_node("Abs", ["input0"], ["output"])], "abs", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    with pytest.raises(UserError, match=r"net\.onnx"):
        Session(path, 1)


def test_a_session_runs_without_torch(exported: Path) -> None:
    code = (
        "import sys, numpy; from pathlib import Path; from intaglio.onnx.session import Session\n"
        "session = Session(Path(sys.argv[1]), 1)\n"
        "print(session.run(numpy.zeros((5, *session.input_shape), numpy.float32)).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, exported], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(5, 3) False"


def test_the_worst_image_is_the_one_that_differs_most() -> None:
    pytorch = np.full((4, 2), -5, np.float32)
    differing = pytorch.copy()
    differing[2, 1] = -4.5
    results = [Parity(7, pytorch, differing)]
    record = summarise(results, np.zeros(4, np.int64), np.array([10, 11, 12, 13]), "a machine")
    assert record.worst.model_dump() == {"image": 12, "difference": 0.5, "batch_size": 7}
    assert record.agreement == 0.75 and record.relative_difference == pytest.approx(0.1)
