"""Random changes of training images: each image has its own, and all follow from seed, epoch and step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from prepared import write_prepared
from pydantic import ValidationError
from test_training import image_recipe
from torch import Tensor

from intaglio.data.batches import Normaliser
from intaglio.data.shuffled import EpochBatches, for_training
from intaglio.data.store import Facts, Split, open_prepared, write
from intaglio.data.view import View
from intaglio.errors import SettingError
from intaglio.params.augment import Augment

CHANGES: dict[str, dict[str, Any]] = {
    "crop": {"crop": {}},
    "rand_augment": {"rand_augment": {}},
    "trivial_augment": {"trivial_augment": True},
    "jitter": {"jitter": {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.1}},
    "erase": {"erase": 1.0},
}
BLENDS: dict[str, dict[str, Any]] = {
    "mixup": {"mixup": 0.5},
    "cutmix": {"cutmix": 1.0},
    "either": {"mixup": 0.5, "cutmix": 1.0},
}
EACH = pytest.mark.parametrize("named", [*CHANGES, *BLENDS])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("data") / "colour.safetensors", channels=3, flip=True)


def given(data: Path, seed: int = 0, size: int = 10, memory: int = 64, **augment: Any) -> EpochBatches:
    plain = {"shift": 0, "shift_until": 1, "flip": "random"}
    recipe = image_recipe(batch_size=10, augment=Augment.model_validate(plain | augment))
    device = torch.device("cpu")
    prepared = open_prepared(data)
    normalise = Normaliser(prepared.facts.mean, prepared.facts.std)
    return for_training(prepared, View((size, size)), normalise, recipe, seed=seed, memory=memory, device=device)


def same(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


@EACH
def test_what_is_drawn_follows_from_seed_epoch_and_step_alone(named: str, data: Path) -> None:
    options = (CHANGES | BLENDS)[named]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    whole = list(given(data, **options).epoch(2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = given(data, **options)
    assert same(list(again.epoch(2)), whole)
    for start in (1, 4):
        assert same(list(again.epoch(2, start)), whole[start:])
    # With no change of the order, so that only what is drawn for the images differs.
    assert not same(list(given(data).epoch(2)), whole)
    assert not same(list(again.epoch(3)), whole)
    assert not same(list(given(data, seed=1, **options).epoch(2)), whole)
    assert all(tuple(images.shape[1:]) == (3, 10, 10) for images, _ in whole)
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images, _ in whole)


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty times the same image."""
    path = tmp_path_factory.mktemp("data") / "alike.safetensors"
    image = np.random.default_rng(0).integers(60, 200, (1, 10, 10, 3), dtype=np.uint8)
    labels = np.arange(40, dtype=np.int64) % 2
    split = Split(np.repeat(image, 40, 0), labels, np.arange(40))
    facts = Facts("alike", ("a", "b"), False, (0.25, 0.5, 0.75), (0.2,) * 3)
    write(path, facts, {"train": split, "validation": split, "test": split})
    return path


@pytest.mark.parametrize("named", CHANGES)
def test_each_image_of_a_batch_and_of_each_step_has_its_own_draw(named: str, alike: Path) -> None:
    steps = [images for images, _ in given(alike, **CHANGES[named]).epoch(1)]
    changed = torch.cat(steps).flatten(1)
    assert len(changed[:10].unique(dim=0)) >= 4
    assert len(changed.unique(dim=0)) >= 14
    assert not torch.equal(steps[0], steps[1])


def test_what_is_erased_becomes_the_mean_colour(alike: Path) -> None:
    ((images, _), *_) = given(alike, erase=1.0).epoch(1)
    erased = (images.abs() < 0.02).all(1)  # after normalisation
    assert (erased.flatten(1).sum(1) >= 1).all() and not erased.all()


def test_about_the_named_share_of_the_images_is_erased(alike: Path) -> None:
    shown = torch.cat([images for epoch in range(1, 6) for images, _ in given(alike, erase=0.25).epoch(epoch)])
    plain = next(iter(given(alike).epoch(1)))[0][0]
    assert 0.15 < (shown != plain).flatten(1).any(1).float().mean() < 0.35


def test_crops_are_cut_from_whole_images_and_enlarged(tmp_path: Path) -> None:
    images = np.zeros((40, 32, 32, 1), np.uint8)
    images[:] = np.arange(32).reshape(1, 1, 32, 1) * 8
    split = Split(images, np.arange(40) % 2, np.arange(40))
    facts = Facts("stripes", ("a", "b"), False, (0.0,), (1 / 255,))
    write(tmp_path / "data", facts, {"train": split, "validation": split, "test": split})
    crop = {"scale": [0.1, 0.1], "ratio": [1, 1]}
    recipe = image_recipe(
        batch_size=40, augment=Augment.model_validate({"shift": 0, "shift_until": 1, "flip": "none", "crop": crop})
    )
    device = torch.device("cpu")
    batches = for_training(
        open_prepared(tmp_path / "data"),
        View((8, 8)),
        Normaliser(facts.mean, facts.std),
        recipe,
        seed=0,
        memory=64,
        device=device,
    )
    ((shown, _),) = batches.epoch(1)
    # Ten of 32 columns, so a rise of 80 or so from left to right, from some tenth of the image on.
    rises = shown[:, 0, 4, -1] - shown[:, 0, 4, 0]
    assert shown.shape == (40, 1, 8, 8) and ((rises > 55) & (rises < 95)).all()
    assert len(shown[:, 0, 4, 0].round().unique()) > 5
    assert batches.sample().shape == (40, 1, 8, 8)


@pytest.mark.parametrize("named", BLENDS)
def test_blended_images_have_shares_of_the_classes_as_targets(named: str, data: Path) -> None:
    targets = torch.cat([targets for _, targets in given(data, **BLENDS[named]).epoch(1)])
    assert targets.shape == (60, 3) and torch.allclose(targets.sum(1), torch.ones(60))
    assert (targets > 0).sum(1).max() == 2


def test_with_both_kinds_either_one_blends_a_batch(alike: Path) -> None:
    """Of equal images, CutMix makes equal images, and MixUp rounds a little."""
    kinds = set()
    batches = given(alike, mixup=0.5, cutmix=1.0)
    plain = next(iter(given(alike).epoch(1)))[0][0]
    for epoch in range(1, 6):
        kinds |= {torch.equal(images, plain.expand_as(images)) for images, _ in batches.epoch(epoch)}
    assert kinds == {True, False}


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_grey_images_have_no_colour_to_change(name: str, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "grey.safetensors", channels=1)
    with pytest.raises(SettingError) as error:
        given(data, jitter={name: 0.2})
    assert error.value.key == f"recipe.augment.jitter.{name}"


@pytest.mark.parametrize("named", sorted(CHANGES.keys() - {"jitter"} | BLENDS.keys()))
def test_all_other_changes_are_for_grey_images_too(named: str, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "grey.safetensors", channels=1)
    batches = given(data, **(CHANGES | BLENDS)[named])
    assert all(images.shape == (10, 1, 10, 10) and images.isfinite().all() for images, _ in batches.epoch(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": 2, "crop": {}},
        {"rand_augment": {}, "trivial_augment": True},
        {"crop": {"scale": [0.5, 0.2]}},
        {"crop": {"scale": [0.5, 2.0]}},
        {"crop": {"ratio": [0.5]}},
        {"jitter": {"hue": 0.7}},
        {"erase": 1.5},
        {"mixup": -1.0},
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Augment.model_validate({"shift": 0, "shift_until": 1, "flip": "none"} | wrong)
