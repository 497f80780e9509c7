"""How a network views an image of the prepared file: resized and cropped alike in training, scoring and export."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pixels import Pixels
from prepared import write_prepared
from test_batches import CPU, PLAIN, batches
from test_steps import run_evaluate, run_finetune, run_train
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import center_crop, resize

from intaglio.data.batches import PlainBatches, to_tensor
from intaglio.data.view import Interpolation, View
from intaglio.errors import UserError
from intaglio.models.checkpoint import load

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "crop"), [((14, 14), 0.875), ((21, 14), 0.9), ((40, 40), 0.5), ((20, 20), 1.0)])
def test_the_middle_of_the_resized_image_is_what_torchvision_gives(
    size: tuple[int, int], crop: float, interpolation: Interpolation
) -> None:
    viewed = to_tensor(IMAGES, View(size, interpolation, crop))
    whole = [round(side / crop) for side in size]
    plain = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float()
    expected = center_crop(resize(plain, whole, InterpolationMode(interpolation), antialias=True), list(size))
    assert viewed.dtype is torch.uint8 and tuple(viewed.shape[2:]) == size
    assert torch.equal(viewed, expected.round().clamp(0, 255).to(torch.uint8))


def test_an_image_of_the_right_size_is_seen_whole_and_unchanged() -> None:
    viewed = to_tensor(IMAGES, View((20, 20), "bicubic"))
    assert torch.equal(viewed, torch.from_numpy(IMAGES).permute(0, 3, 1, 2))


def test_training_and_scoring_batches_view_images_alike() -> None:
    view = View((14, 14), "bicubic", 0.875)
    labels = torch.arange(6)
    given = batches(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), labels, view=view, batch_size=6)
    ((shown, order),) = given.epoch(1)
    ((scored, _),) = PlainBatches(Pixels(IMAGES), labels, PLAIN, view=view, batch_size=6, device=CPU)
    assert torch.equal(shown, scored[order]) and torch.equal(given.sample(), scored)


def test_fine_tuning_keeps_the_crop_of_its_start_unless_its_row_names_one(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    start = run_train(tmp_path, data)
    assert load(start)[2].input.view == View((12, 12))
    once = run_finetune(tmp_path, start, data, finetune__tuned__crop=0.75).rename(tmp_path / "once.safetensors")
    again = run_finetune(tmp_path, once, data)
    assert load(once)[2].input.crop == load(again)[2].input.crop == 0.75

    def predicted(**changes: Any) -> str:
        return run_evaluate(tmp_path, once, data, **changes)["predictions"].read_text()

    cropped = predicted()
    content = once.read_bytes()
    assert content.count(b'\\"crop\\": 0.75') == 1
    once.write_bytes(content.replace(b'\\"crop\\": 0.75', b'\\"crop\\": 1.00'))
    assert predicted() != cropped


@pytest.mark.parametrize("crop", [0, 1.5, "half"])
def test_a_crop_is_a_share(crop: object, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    with pytest.raises(UserError, match=r"params\.yaml: finetune\.tuned\.crop"):
        run_finetune(tmp_path, tmp_path / "none", data, finetune__tuned__crop=crop)
