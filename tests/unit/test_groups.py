"""Networks of the tables that differ in nothing but the seed are one group."""

from typing import Any

import pytest

from intaglio.params.groups import groups, repeats

BASE = {"data": "fashion", "model": "small", "recipe": "full"}
TUNED = {"data": "digits", "recipe": "few_labels"}


def test_networks_without_siblings_are_groups_of_their_own_name() -> None:
    tables = {
        "train": {"net-1": BASE, "scratch": {**BASE, "size": 28}},
        "finetune": {"tuned0": {**TUNED, "start": "net-1"}},
    }
    assert groups(tables) == {"net-1": ("net-1",), "scratch": ("scratch",), "tuned0": ("tuned0",)}


def test_networks_that_differ_in_the_seed_alone_are_one_group() -> None:
    train = {"base-seed0": BASE, "other": {**BASE, "recipe": "fast"}, "base-seed1": {**BASE, "seed": 1, "size": None}}
    assert groups({"seed": 0, "train": train}) == {"base": ("base-seed0", "base-seed1"), "other": ("other",)}


def test_a_network_and_its_repetitions_are_called_by_its_name() -> None:
    train = {"base": BASE, "base_1": {**BASE, "seed": 1}, "base_2": {**BASE, "seed": 2}}
    assert groups({"train": train}) == {"base": ("base", "base_1", "base_2")}


def test_fine_tuned_networks_are_one_group_when_their_starts_are() -> None:
    tables = {
        "train": {"a1": BASE, "a2": {**BASE, "seed": 1}, "b": {**BASE, "recipe": "fast"}},
        "finetune": {
            "tuned1": {**TUNED, "start": "a1"},
            "tuned2": {**TUNED, "start": "a2", "seed": 5},
            "tuned3": {**TUNED, "start": "b"},
            "twice1": {**TUNED, "start": "tuned1"},
            "twice2": {**TUNED, "start": "tuned2"},
        },
    }
    assert groups(tables) == {
        "a": ("a1", "a2"),
        "b": ("b",),
        "tuned": ("tuned1", "tuned2"),
        "tuned3": ("tuned3",),
        "twice": ("twice1", "twice2"),
    }


def test_the_same_row_in_another_table_is_another_network() -> None:
    tables = {"train": {"a1": TUNED}, "finetune": {"a2": TUNED}}
    assert groups(tables) == {"a1": ("a1",), "a2": ("a2",)}


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ({"small": BASE, "tiny": {**BASE, "seed": 1}}, ["small"]),  # nothing in common
        ({"1": BASE, "2": {**BASE, "seed": 1}}, ["1"]),
        ({"seed0": BASE, "seed1": {**BASE, "seed": 1}}, ["seed0"]),
        # The name of another network, and of two groups.
        ({"n": {**BASE, "recipe": "fast"}, "n1": BASE, "n2": {**BASE, "seed": 1}}, ["n", "n1"]),
        (
            {
                "n1": BASE,
                "n2": {**BASE, "seed": 1},
                "n3": {**BASE, "recipe": "fast"},
                "n4": {**BASE, "recipe": "fast", "seed": 1},
            },
            ["n1", "n3"],
        ),
    ],
)
def test_a_name_that_is_empty_or_taken_gives_way_to_the_first_networks(train: dict[str, Any], names: list[str]) -> None:
    made = groups({"train": train})
    assert list(made) == names
    assert sorted(network for networks in made.values() for network in networks) == sorted(train)


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"train": {"model": {"name": "speednet"}, "epochs": 8}, "finetune": {"freeze": "none"}},  # one fixed pair
        {"train": None, "finetune": []},
        {"train": {}, "finetune": {}},
        {"train": {"a": 1}},
    ],
)
def test_settings_without_tables_have_no_groups(tables: dict[str, Any]) -> None:
    assert groups(tables) == {}


def folds(count: int, **changes: Any) -> dict[str, Any]:
    row = {"set": "folder", "source": "photos", **changes}
    return {f"photos-{fold}": {**row, "split": {"test": {"fold": fold, "of": count}}} for fold in range(count)}


def test_networks_that_differ_in_the_fold_of_their_data_are_one_group() -> None:
    train = {f"net-fold{fold}": {**BASE, "data": f"photos-{fold}"} for fold in range(2)}
    finetune = {f"tuned-{fold}": {**TUNED, "data": f"photos-{fold}", "start": f"net-fold{fold}"} for fold in range(2)}
    tables = {"data": folds(2), "train": train, "finetune": finetune}
    assert groups(tables) == {"net": ("net-fold0", "net-fold1"), "tuned": ("tuned-0", "tuned-1")}
    assert repeats({**tables, "seed": 0}) == {}


@pytest.mark.parametrize("change", [{"source": "others"}, {"split": {"test": {"fold": 1, "of": 3}}}, {"split": None}])
def test_data_that_differ_in_more_than_the_fold_are_not_one_group(change: dict[str, Any]) -> None:
    train = {f"net-{fold}": {**BASE, "data": f"photos-{fold}"} for fold in range(2)}
    data = folds(2)
    data["photos-1"].update(change)
    assert len(groups({"data": data, "train": train})) == 2


def test_a_circle_of_starts_ends() -> None:
    finetune = {"a": {**TUNED, "start": "b"}, "b": {**TUNED, "start": "a"}, "c": {**TUNED, "start": "c"}}
    made = groups({"finetune": finetune})
    assert sorted(network for networks in made.values() for network in networks) == ["a", "b", "c"]


def test_a_network_with_the_seeds_of_an_earlier_one_is_a_repeat_of_it() -> None:
    tables = {
        "seed": 0,
        "train": {"base": BASE, "base-0": {**BASE, "seed": 0}, "base-1": {**BASE, "seed": 1}},
        "finetune": {
            "tuned": {**TUNED, "start": "base"},
            "tuned-0": {**TUNED, "start": "base-0", "seed": None},
            "tuned-1": {**TUNED, "start": "base-1"},
        },
    }
    assert repeats(tables) == {"base-0": "base", "tuned-0": "tuned"}
    assert repeats({}) == {}


def test_a_thousand_networks_that_start_from_one_another_are_a_thousand_groups() -> None:
    rows = {f"n{number}": {"start": f"n{number + 1}", "data": "digits"} for number in range(1000)}
    named = groups({"finetune": rows})
    assert sum(map(len, named.values())) == 1000


def test_networks_with_the_same_thirty_generations_are_one_group() -> None:
    rows = {
        f"n{line}_{number}": {"start": f"n{line}_{number - 1}", "data": "digits", "size": number, "seed": line}
        for line in "ab"
        for number in range(30)
    }
    first = {f"n{line}_-1": {"data": "digits", "seed": line} for line in "ab"}
    named = groups({"train": first, "finetune": rows})
    assert ("na_29", "nb_29") in named.values()
