"""params.yaml: what is refused, and how it is said."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from intaglio.chain.preflight import check_settings
from intaglio.errors import UserError
from intaglio.files import as_json
from intaglio.params.compute import Compute
from intaglio.params.reader import Params, check
from intaglio.params.schema import Everything, json_schema

REPOSITORY = Path(__file__).parents[2]
DEFAULT = YAML(typ="safe").load(REPOSITORY / "params.yaml")


def written(folder: Path, **changes: Any) -> Path:
    """params.yaml with values changed by dotted key (the dots as two underscores); ... removes a key."""
    values = json.loads(json.dumps(DEFAULT))
    for key, value in changes.items():
        *parents, last = key.split("__")
        inside = values
        for parent in parents:
            inside = inside[parent]
        if value is ...:
            del inside[last]
        else:
            inside[last] = value
    path = folder / "params.yaml"
    path.write_text(json.dumps(values))
    return path


def test_the_file_in_the_repository_is_valid_and_every_value_is_explained() -> None:
    check_settings(REPOSITORY / "params.yaml")
    lines = [
        line for line in (REPOSITORY / "params.yaml").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    with_value = [line for line in lines if re.match(r" *\w+: [^#{]", line)]
    assert len(with_value) > 40
    assert [line for line in with_value if " # " not in line] == []


def test_the_json_schema_for_editors_is_current() -> None:
    path = REPOSITORY / "workflow/schemas/params.schema.json"
    assert path.read_text() == as_json(json_schema()), f"write it anew: python -m intaglio.params.schema > {path}"


@pytest.mark.parametrize("recipe", sorted((REPOSITORY / "docs/recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_documented_recipes_fit_in_place_of_the_sections_that_they_name(tmp_path: Path, recipe: Path) -> None:
    sections = YAML(typ="safe").load(recipe)
    assert sections.keys() <= DEFAULT.keys()
    check_settings(written(tmp_path, **sections))


def test_what_the_benchmark_leaves_out_of_a_recipe_are_settings(tmp_path: Path) -> None:
    variants = YAML(typ="safe").load(REPOSITORY / "benchmarks/without.yaml")
    recipe = Params(REPOSITORY / "docs/recipes/cifar10-short.yaml")
    for changes in variants.values():
        assert all(recipe.raw(key) != value for key, value in changes.items())
        changed = {key.replace(".", "__"): value for key, value in changes.items()}
        check_settings(written(tmp_path, **copy.deepcopy(recipe.values), **changed))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"train__epoch": 3}, "train.epoch: unknown key; did you mean epochs?"),
        ({"train__optimizer__momentun": 0.9}, "train.optimizer.momentun: unknown key; did you mean momentum?"),
        ({"trian": {}}, "trian: unknown key; did you mean train?"),
        ({"data__base__split__tset": 1}, "data.base.split.tset: unknown key; did you mean test?"),
        ({"train__model__groups": 3}, "train.model.groups: unknown key; use one of name, pooling, whitening, widths"),
        ({"compute__device": "gpu"}, 'compute.device: "gpu" is not a choice; did you mean cpu?'),
        ({"compute__precision": "bfloat"}, 'compute.precision: "bfloat" is not a choice'),
        (
            {"data__base__set": "fasion_mnist"},
            'data.base.set: "fasion_mnist" is not a choice; did you mean fashion_mnist?',
        ),
        (
            {"train__model": {"name": "speednett"}},
            'train.model.name: "speednett" is not a choice; did you mean speednet?',
        ),
        (
            {"train__model": {"name": "speednet", "widths": [1, 2, 3], "whitening": True, "pooling": 4}},
            "train.model.pooling: 4 is not a choice; use one of 2, 3",
        ),
        ({"train__model": {"widths": [1, 2, 3]}}, "train.model.name: the key is missing; add it"),
        ({"train__epochs": "3"}, 'train.epochs: "3" does not fit: input should be a valid integer'),
        ({"train__epochs": 0}, "train.epochs: 0 does not fit: input should be greater than or equal to 1"),
        ({"train__label_smoothing": 1.0}, "train.label_smoothing: 1.0 does not fit"),
        ({"train__keep": ...}, "train.keep: the key is missing; add it"),
        (
            {"train__model": {"name": "speednet", "widths": [1, 2], "whitening": True, "pooling": 2}},
            "train.model.widths: [1, 2] does not fit",
        ),
        ({"finetune__freeze": "backbon"}, 'finetune.freeze: "backbon" is not a choice; did you mean backbone?'),
        ({"finetune__freeze": 0}, "finetune.freeze: 0 does not fit: input should be greater than or equal to 1"),
        ({"data__base__per_class": 0}, "data.base.per_class: 0 does not fit: input should be greater than"),
        (
            {"data__base__split__test": "offical"},
            'data.base.split.test: "offical" is not a choice; did you mean official?',
        ),
        ({"train__model": [1]}, "train.model: [1] does not fit: here belong keys and values"),
        ({"compute": None}, "compute: null does not fit: here belong keys and values"),
        ({"data__target__split__test": "official"}, "data.target.split.test: digits has no test split of its own"),
        ({"data__base__split__test": 0.2}, "data.base.split.test: fashion_mnist has a test split of its own"),
        (
            {"data__target__per_class": 1, "finetune__batch_size": 12},
            "finetune.batch_size: 12 is more than the 10 training",
        ),
        ({"data__base__per_class": 10}, "train.batch_size: 500 is more than the 100 training images"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_with_its_mend(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as refused:
        check_settings(path)
    assert f"{path}: {line}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: [1", "line 1"),
        ("", "holds no settings"),
        ("- 1", "holds no settings"),
        ("seed: 1\nseed: 2", "line 2"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=line) as refused:
        check_settings(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; run this at the top of the repository"):
        Params(tmp_path / "params.yaml")


def test_the_reader_gives_the_values_that_dvc_gives(tmp_path: Path) -> None:
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text("a: off\nb: 1e-3\nc: 0o17\nd: 010\ne: ~\nf: 1_000\ng: 2026-11-23\nh: yes\ni: .5\nj: [1, 2.0]\n")
    assert Params(path).values == load_yaml(path)
    assert Params(REPOSITORY / "params.yaml").values == load_yaml(REPOSITORY / "params.yaml")


def test_a_slice_of_the_settings_ignores_the_order_of_keys_and_sees_swapped_values(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    slices = []
    for text in ("a: {x: 1, y: 2}", "a: {y: 2, x: 1} # the same", "a: {x: 2, y: 1}"):
        path.write_text(text)
        slices.append(Params(path).canonical(["a"]))
    assert slices[0] == slices[1] != slices[2]


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(section=st.sampled_from(sorted(DEFAULT)), value=nested)
def test_whatever_stands_in_a_section_is_either_valid_or_refused_in_one_line(section: str, value: Any) -> None:
    try:
        check(Path("params.yaml"), "", {**DEFAULT, section: value}, Everything)
    except UserError as refused:
        assert str(refused).startswith(f"params.yaml: {section}")
        assert "\n" not in str(refused)


@given(key=st.text(min_size=1, max_size=10), value=nested)
def test_an_unknown_key_in_a_section_is_always_refused(key: str, value: Any) -> None:
    if key in Compute.model_fields:
        return
    with pytest.raises(UserError):
        check(Path("params.yaml"), "compute", {**DEFAULT["compute"], key: value}, Compute)
