"""Networks that cannot be built or trained are an error before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from intaglio.chain import networks
from intaglio.chain.preflight import check_settings
from intaglio.errors import UserError
from intaglio.params.reader import Params

REPOSITORY = Path(__file__).parents[2]
DEFAULT = YAML(typ="safe").load(REPOSITORY / "tests/fixtures/params.yaml")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(**changes: Any) -> None:
    values = json.loads(json.dumps(DEFAULT))
    for key, value in changes.items():
        *parents, last = key.split("__")
        inside = values
        for parent in parents:
            inside = inside[parent]
        inside[last] = value
    path = Path("params.yaml")
    path.write_text(json.dumps(values))
    networks.check_networks(Params(path), check_settings(path), REPOSITORY / "workflow/code")


def zoo(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "options": options}


def test_networks_of_libraries_fit_in_the_place_of_ours() -> None:
    check(models__small=zoo("timm/resnet10t"), finetune__finetuned__freeze=5, finetune__finetuned__layer_decay=0.7)


def test_what_fits_is_checked_once() -> None:
    third = {"start": "finetuned", "data": "fashion", "recipe": "few_labels", "freeze": "backbone"}
    check(finetune__third=third)
    first = networks.CHECKED.stat().st_mtime_ns
    check(finetune__third=third)
    assert networks.CHECKED.stat().st_mtime_ns == first
    check(finetune__third=third, report__samples=1)
    assert networks.CHECKED.stat().st_mtime_ns == first


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"compute__device": "mps"}, "compute.device"),
        ({"compute__device": "cpu", "compute__precision": "fp16"}, "compute.precision"),
        ({"recipes__full__augment__shift": 99}, "recipes.full.augment.shift"),
        ({"recipes__full__augment__jitter": {"hue": 0.1}}, "recipes.full.augment.jitter.hue"),
        ({"recipes__full__resolution": [0.01, 1]}, "recipes.full.resolution"),
        ({"models__small__widths": [100_000] * 3}, "models.small"),
        ({"finetune__finetuned__freeze": 9}, "finetune.finetuned.freeze"),
        ({"train__scratch__size": 1}, "train.scratch.size"),
        ({"models__small": zoo("timm/resnet10tt")}, "models.small.name"),
        ({"models__small": zoo("torchvision/alexnet", dropuot=0.1)}, "models.small.options.dropuot"),
        ({"models__small": zoo("torchvision/alexnet")}, "train.base.size"),
        ({"models__small": zoo("timm/resnet10t"), "finetune__finetuned__freeze": 6}, "finetune.finetuned.freeze"),
        (
            {"models__small": {"name": "article_mlp", "hidden": [4]}, "finetune__finetuned__size": 8},
            "finetune.finetuned.size",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as error:
        check(**changes)
    assert str(error.value).startswith(f"params.yaml: {key}: ")
    assert "\n" not in str(error.value)
    assert not networks.CHECKED.exists()
