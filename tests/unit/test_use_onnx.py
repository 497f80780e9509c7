"""The lines that use an ONNX file: those of the README and of the report are the same, and work when they are typed."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from intaglio.models.build import build
from intaglio.models.checkpoint import Card
from intaglio.models.inputs import ImageInput
from intaglio.onnx.graph import export
from intaglio.params.model import ArticleCNN
from intaglio.report.templating import environment

README = Path(__file__).parents[2] / "README.md"
SIZE = 12


def lines_of_readme() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "onnxruntime" in block]
    return block


def test_the_readme_and_the_report_have_the_same_lines() -> None:
    assert environment().get_template("use_onnx.py.txt").render(name="finetuned") == lines_of_readme()


@pytest.mark.parametrize(("mode", "mean", "std"), [("L", (0.2,), (0.3,)), ("RGB", (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))])
def test_they_give_the_class_that_the_network_gives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    shape = (len(mean), SIZE, SIZE)
    classes = tuple(f"class {number}" for number in range(10))
    torch.manual_seed(0)
    network, _ = build(ArticleCNN(name="article_cnn", filters=8, hidden=16), shape, len(classes))
    network.eval()
    card = Card(
        model={"name": "article_cnn", "filters": 8, "hidden": 16},
        input=ImageInput(shape=shape, built_for=shape, mean=mean, std=std),
        classes=classes,
        set="digits",
    )
    Path("results/onnx").mkdir(parents=True)
    export(network, card, Path("results/onnx/finetuned.onnx"), 20)
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, len(mean)), dtype=np.uint8)
    wide = np.pad(pixels, ((0, 0), (3, 3), (0, 0)))  # of which the network gets the middle
    lying = Image.fromarray(wide.squeeze() if mode == "L" else wide, mode).transpose(Image.Transpose.ROTATE_90)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    lying.save("photo.png", exif=turned)

    exec(compile(lines_of_readme(), "README.md", "exec"), {})

    spread = [torch.tensor(each)[:, None, None] for each in (mean, std)]
    values = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - spread[0]) / spread[1]
    with torch.no_grad():
        logits = network(values[None].float())
    assert capsys.readouterr().out == f"{classes[int(logits.argmax())]}\n"
