from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[2] / "profiles"
# One GPU a machine is what a single machine has; a cluster counts its own.
OF_ONE_MACHINE = {"resources"}


@pytest.mark.parametrize("name", [path.name for path in PROFILES.iterdir() if path.name != "default"])
def test_another_profile_repeats_the_default_one_whose_place_it_takes(name: str) -> None:
    default, other = (yaml.safe_load((PROFILES / each / "profile.yaml").read_text()) for each in ("default", name))
    assert not OF_ONE_MACHINE & set(other)
    assert {key: other.get(key) for key in default if key not in OF_ONE_MACHINE} == {
        key: value for key, value in default.items() if key not in OF_ONE_MACHINE
    }
