"""ONNX: what the file says, and whether it computes the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from pixels import Pixels
from prepared import write_prepared

from intaglio.data.batches import Normaliser, PlainBatches
from intaglio.errors import UserError
from intaglio.models.build import build
from intaglio.models.checkpoint import Card, save
from intaglio.models.network import Network
from intaglio.onnx.graph import export
from intaglio.onnx.parity import compare, open_session
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet
from intaglio.steps import verify

CARD = Card(
    model={"name": "speednet", "widths": [4, 4, 8], "whitening": True, "pooling": 2},
    shape=(1, 12, 12),
    channels=1,
    classes=("class 0", "class 1", "class 2"),
    mean=(0.2,),
    std=(0.2,),
    set="digits",
)
PARAMS = """
compute: {device: cpu, precision: auto, compile: never, deterministic: true, memory: 64, threads: 2}
verify: {batch_sizes: [1, 7, 30], max_difference: 0.001, min_agreement: 1.0}
"""


def network(config: Model | None = None, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build(config or Speednet(name="speednet", widths=[4, 4, 8], whitening=True, pooling=2), CARD.shape, 3).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    export(network(), CARD, path, 20)
    return path


def test_the_file_is_one_valid_model_that_says_what_it_needs_and_nothing_of_this_machine(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [path.name for path in exported.parent.iterdir()] == ["net.onnx"]
    assert [item.version for item in model.opset_import if item.domain == ""] == [20]
    (images,), (logits,) = model.graph.input, model.graph.output
    dims = [[dim.dim_param or dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in (images, logits)]
    assert dims == [["batch", 1, 12, 12], ["batch", 3]]
    told = {item.key: item.value for item in model.metadata_props}
    assert json.loads(told["classes"]) == list(CARD.classes)
    assert (json.loads(told["mean"]), json.loads(told["std"]), json.loads(told["input_size"])) == (
        [0.2],
        [0.2],
        [12, 12],
    )
    content = exported.read_bytes()
    assert b"stack_trace" not in content and b"/intaglio/" not in content and b".py" not in content


def test_two_exports_are_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    export(network(), CARD, tmp_path / "again.onnx", 20)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


@pytest.mark.parametrize(
    "config",
    [
        Speednet(name="speednet", widths=[4, 4, 8], whitening=True, pooling=2),
        Speednet(name="speednet", widths=[4, 4, 8], whitening=True, pooling=3),
        ArticleCNN(name="article_cnn", filters=4, hidden=8),
        ArticleMLP(name="article_mlp", hidden=[8]),
    ],
    ids=lambda config: config.name,
)
@pytest.mark.parametrize("opset", [18, 23])
def test_every_network_computes_the_same_in_every_opset(config: Model, opset: int, tmp_path: Path) -> None:
    net = network(config)
    export(net, CARD, tmp_path / "net.onnx", opset)
    session = open_session(tmp_path / "net.onnx", CARD, 2)
    images = Pixels(torch.randint(0, 256, (17, 12, 12, 1), dtype=torch.uint8).numpy())
    for size in (1, 7, 17):
        batches = PlainBatches(
            images,
            torch.zeros(17, dtype=torch.int64),
            Normaliser((0.2,), (0.2,)),
            size=(12, 12),
            batch_size=size,
            device=torch.device("cpu"),
        )
        result = compare(net, session, batches)
        assert result.pytorch.shape == (17, 3)
        assert result.agreement == 1 and result.differences.max() < 1e-4


def verified(tmp_path: Path, exported: Path, *, seed: int = 0, drift: float = 0.0) -> Path:
    """Run the step on a checkpoint of a given seed, its biases moved, and an ONNX file of seed 0."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    net = network(seed=seed)
    net.head.bias.data += drift
    save(tmp_path / "net.safetensors", net, CARD)
    verify.run(
        params=tmp_path / "params.yaml",
        model="base",
        checkpoint=tmp_path / "net.safetensors",
        onnx=exported,
        data=write_prepared(tmp_path / "data.safetensors"),
        parity=tmp_path / "parity.json",
    )
    return tmp_path / "parity.json"


def test_verify_passes_and_writes_down_the_differences_of_a_true_export(tmp_path: Path, exported: Path) -> None:
    found = json.loads(verified(tmp_path, exported).read_text())
    assert found["images"] == 30 and found["batch_sizes"] == [1, 7, 30] and found["agreement"] == 1
    assert found["accuracy"]["pytorch"] == found["accuracy"]["onnx"]
    assert 0 <= found["mean_difference"] <= found["max_difference"] < 1e-4
    assert 90 <= found["worst"]["image"] < 120


def test_verify_fails_names_the_worst_image_and_keeps_what_was_there_when_the_export_is_anothers(
    tmp_path: Path, exported: Path
) -> None:
    (tmp_path / "parity.json").write_text("earlier")
    with pytest.raises(UserError, match=r"net\.onnx: does not compute what .* at test image \d+, batch size \d+"):
        verified(tmp_path, exported, seed=1)
    assert (tmp_path / "parity.json").read_text() == "earlier"


def test_verify_fails_at_a_difference_above_the_gate(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(UserError, match=r"agreement 1\.0 .*largest difference 0\.01 \(most 0\.001\)"):
        verified(tmp_path, exported, drift=0.01)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "other shape", "other classes"])
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, exported: Path, damage: str) -> None:
    path, card = tmp_path / "net.onnx", CARD
    path.write_bytes(exported.read_bytes())
    match damage:
        case "missing":
            path.unlink()
        case "text":
            path.write_text("no model")
        case "cut":
            path.write_bytes(path.read_bytes()[:-2000])
        case "other shape":
            card = replace(CARD, shape=(3, 12, 12))
        case "other classes":
            card = replace(CARD, classes=("a", "b", "c"))
    with pytest.raises(UserError, match=r"net\.onnx") as refused:
        open_session(path, card, 1)
    assert "\n" not in str(refused.value)


def test_the_worst_image_is_the_one_that_differs_most() -> None:
    from intaglio.onnx.parity import Parity, summarise

    ours = np.zeros((4, 2), np.float32)
    theirs = ours.copy()
    theirs[2, 1] = 0.5
    record = summarise([Parity(7, ours, theirs)], np.zeros(4, np.int64), np.array([10, 11, 12, 13]), "a machine")
    assert record.worst.model_dump() == {"image": 12, "difference": 0.5, "batch_size": 7}
    assert record.agreement == 0.75
