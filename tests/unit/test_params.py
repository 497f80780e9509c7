"""params.yaml: what is an error, and which key it names."""

import json
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
from intaglio.params.rows import locate, resolve
from intaglio.params.schema import Everything, json_schema

REPOSITORY = Path(__file__).parents[2]
# The tests' own settings: those in the repository's params.yaml are the user's to change.
DEFAULT = YAML(typ="safe").load(REPOSITORY / "tests/fixtures/params.yaml")


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


def test_the_json_schema_for_editors_is_current() -> None:
    path = REPOSITORY / "workflow/schemas/params.schema.json"
    assert path.read_text() == as_json(json_schema()), f"write it anew: python -m intaglio.params.schema > {path}"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"recipes__full__epoch": 3}, "recipes.full.epoch: unknown key; did you mean epochs?"),
        (
            {"recipes__full__optimizer__momentun": 0.9},
            "recipes.full.optimizer.momentun: unknown key",
        ),
        ({"trian": {}}, "trian: unknown key; did you mean train?"),
        ({"data__fashion__split__tset": 1}, "data.fashion.split.tset: unknown key; did you mean test?"),
        ({"models__small__groups": 3}, "models.small.groups: unknown key; use one of name, pooling, whitening, widths"),
        (
            {"train__base__modle": "small", "train__base__model": ...},
            "train.base.modle: unknown key; did you mean",
        ),
        ({"compute__device": "gpu"}, 'compute.device: "gpu" is not a choice; did you mean cpu?'),
        ({"compute__precision": "bfloat"}, 'compute.precision: "bfloat" is not a choice'),
        (
            {"data__fashion__set": "fasion_mnist"},
            'data.fashion.set: "fasion_mnist" is not a choice',
        ),
        (
            {"models__small": {"name": "speednett"}},
            'models.small.name: "speednett" is not a choice',
        ),
        ({"models__small": {"name": "resnet18"}}, 'models.small.name: "resnet18" is not a choice; use one of'),
        ({"models__small__pooling": 4}, "models.small.pooling: 4 is not a choice; use one of 2, 3"),
        ({"models__small": {"widths": [1, 2, 3]}}, "models.small.name: the key is missing; add it"),
        ({"models__small__widths": [1, 2]}, "models.small.widths: [1, 2] does not fit"),
        ({"models__small": [1]}, "models.small: [1] does not fit"),
        ({"recipes__full__epochs": "3"}, 'recipes.full.epochs: "3" does not fit'),
        ({"recipes__full__epochs": 0}, "recipes.full.epochs: 0 does not fit"),
        ({"recipes__full__label_smoothing": 1.0}, "recipes.full.label_smoothing: 1.0 does not fit"),
        ({"recipes__full__keep": ...}, "recipes.full.keep: the key is missing; add it"),
        (
            {"finetune__finetuned__freeze": "backbon"},
            'finetune.finetuned.freeze: "backbon" is not a choice',
        ),
        ({"finetune__finetuned__freeze": 0}, "finetune.finetuned.freeze: 0 does not fit"),
        ({"data__fashion__per_class": 0}, "data.fashion.per_class: 0 does not fit"),
        (
            {"data__fashion__split__test": "offical"},
            'data.fashion.split.test: "offical" is not a choice',
        ),
        ({"data__digits__split__test": 1.5}, "data.digits.split.test: 1.5 does not fit: input should be less than 1"),
        ({"data__digits__split__test": {"fold": 5, "of": 5}}, 'data.digits.split.test: {"fold": 5'),
        ({"data__digits__split__test": {"fold": 0}}, "data.digits.split.test.of: the key is missing; add it"),
        ({"data__digits__split__test": {"fold": 0, "off": 5}}, "data.digits.split.test.off: unknown key; did you"),
        ({"data__fashion__split__test": {"fold": 0, "of": 5}}, "data.fashion.split.test: fashion_mnist has a test"),
        ({"compute": None}, "compute: null does not fit: here belong keys and values"),
        ({"finetune": None}, "finetune: null is not a table"),
        ({"data__digits__split__test": "official"}, "data.digits.split.test: digits has no test split of its own"),
        ({"data__fashion__split__test": 0.2}, "data.fashion.split.test: fashion_mnist has a test split of its own"),
        (
            {"data__digits__per_class": 1, "recipes__few_labels__batch_size": 12},
            "recipes.few_labels.batch_size: 12 is more than the 10",
        ),
        ({"train__base__seed": -1}, "train.base.seed: -1 does not fit"),
        ({"train__base__size": 0}, "train.base.size: 0 does not fit"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_with_its_fix(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        check_settings(path)
    assert f"{path}: {line}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_misspelt_key_counts_as_one_mistake_and_further_ones_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        check_settings(written(tmp_path, recipes__full__keep=..., recipes__full__kep="last"))
    assert "recipes.full.kep: " in str(error.value) and "more problem" not in str(error.value)
    with pytest.raises(UserError, match=r"recipes\.full\.kep: .*\(and 1 more problem\)"):
        check_settings(written(tmp_path, recipes__full__keep=..., recipes__full__kep="last", compute__threads=0))


ROW = {"data": "fashion", "model": "small", "recipe": "full"}


@pytest.mark.parametrize(
    ("changes", "key", "fix"),
    [
        ({"train__base__data": "fashon"}, "train.base.data", "did you mean fashion?"),
        ({"train__base__model": "large"}, "train.base.model", "use one of small"),
        ({"train__base__recipe": "ful"}, "train.base.recipe", "did you mean full?"),
        ({"finetune__finetuned__start": "bas"}, "finetune.finetuned.start", "did you mean base?"),
        ({"finetune__finetuned__data": "x"}, "finetune.finetuned.data", "use one of fashion, digits"),
        ({"finetune__finetuned__start": "finetuned"}, "finetune.finetuned.start", "finetuned -> finetuned"),
        ({"finetune__base": {"start": "scratch", "data": "digits", "recipe": "full"}}, "train.base", "rename one"),
        ({"train__BASE": ROW}, "train.base", "rename one"),
        ({"train": {}, "finetune": {}}, "train", "add a row"),
        ({"train__a.b": ROW}, "train.a.b", "letters, digits"),
        ({"train__../up": ROW}, "train.../up", "letters, digits"),
        ({"data__1": {}}, "data.1", "letter"),
        ({f"train__{'x' * 40}": ROW}, f"train.{'x' * 40}", "rename"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_that_do_not_fit_each_other_are_named(tmp_path: Path, changes: dict[str, Any], key: str, fix: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        check_settings(path)
    assert str(error.value).startswith(f"{path}: {key}: ")
    assert fix in str(error.value)
    assert "\n" not in str(error.value)


def test_networks_that_start_from_each_other_are_an_error(tmp_path: Path) -> None:
    row = {"data": "digits", "recipe": "few_labels"}
    with pytest.raises(UserError, match=r"one -> two -> one|two -> one -> two"):
        check_settings(written(tmp_path, finetune={"one": {**row, "start": "two"}, "two": {**row, "start": "one"}}))


def test_more_than_fifty_generations_are_an_error(tmp_path: Path) -> None:
    row = {"data": "digits", "recipe": "few_labels"}
    chain = {f"n{number}": {**row, "start": f"n{number - 1}" if number else "base"} for number in range(2000)}
    with pytest.raises(UserError, match=r"finetune\.n\d+\.start: more than 50 networks"):
        check_settings(written(tmp_path, finetune=chain))


def test_a_step_takes_its_own_rows_and_no_others() -> None:
    keys = ("seed", "{table}.{name}", "data.{data}", "models.{model}", "recipes.{recipe}")
    trained = ["seed", "train.base", "data.fashion", "models.small", "recipes.full"]
    assert resolve(keys, DEFAULT, "base") == trained
    tuned = ["seed", "finetune.finetuned", "data.digits", "recipes.few_labels"]
    assert resolve(keys, DEFAULT, "finetuned") == tuned
    assert resolve(("data.{name}.set",), DEFAULT, "digits") == ["data.digits.set"]


@pytest.mark.parametrize(
    ("key", "name", "full"),
    [
        ("recipe.optimizer.learning_rate", "finetuned", "recipes.few_labels.optimizer.learning_rate"),
        ("model.name", "finetuned", "models.small.name"),
        ("row.freeze", "finetuned", "finetune.finetuned.freeze"),
        ("data.per_class", "base", "data.fashion.per_class"),
        ("data.per_class", "digits", "data.digits.per_class"),
        ("compute.device", "base", "compute.device"),
    ],
)
def test_an_error_of_a_network_names_the_row_that_the_setting_is_in(key: str, name: str, full: str) -> None:
    assert locate(key, DEFAULT, name) == full


def test_equal_numbers_are_equal_settings_however_they_are_written(tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("one.yaml", "other.yaml"))
    one.write_text("a: {x: 1, y: [1, 0.5]}")
    other.write_text("a: {y: [1.0, 5.0e-1], x: 1.0}")
    assert Params(one).canonical(["a"]) == Params(other).canonical(["a"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: [1", "line 1"),
        ("", "holds no settings"),
        ("- 1", "holds no settings"),
        ("seed: 1\nseed: 2", "line 2"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_an_error_of_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=line) as error:
        check_settings(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; run this at the top of the repository"):
        Params(tmp_path / "params.yaml")


def test_the_reader_gives_the_values_that_dvc_gives(tmp_path: Path) -> None:
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text("a: off\nb: 1e-3\nc: 0o17\nd: 010\ne: ~\nf: 1_000\nh: yes\ni: .5\nj: [1, 2.0]\n")
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
def test_whatever_stands_in_a_section_is_valid_or_an_error_of_one_line(section: str, value: Any) -> None:
    try:
        check(Path("params.yaml"), "", {**DEFAULT, section: value}, Everything)
    except UserError as error:
        assert str(error).startswith(f"params.yaml: {section}")
        assert "\n" not in str(error)


@given(key=st.text(min_size=1, max_size=10), value=nested)
def test_an_unknown_key_in_a_section_is_always_an_error(key: str, value: Any) -> None:
    if key in Compute.model_fields:
        return
    with pytest.raises(UserError):
        check(Path("params.yaml"), "compute", {**DEFAULT["compute"], key: value}, Compute)
