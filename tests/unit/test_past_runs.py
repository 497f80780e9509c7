"""A list of an earlier run's outputs that a power cut left in pieces, or that is of other files."""

from pathlib import Path

import pytest

from intaglio.chain.hashes import Hashes
from intaglio.chain.run_cache import restore

OUTPUT = "results/metrics/base.json"
MD5 = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "content",
    [
        "",
        f'{{"{OUTPUT}": "d4',
        "\0\0\0",
        "[]",
        "null",
        "[" * 100_000,
        f'{{"{OUTPUT}": null}}',
        f'{{"{OUTPUT}": "../../x"}}',
        f'{{"params.yaml": "{MD5}"}}',
        f'{{"{OUTPUT}": "{MD5}", "/tmp/x": "{MD5}"}}',
    ],
)
def test_a_list_that_is_damaged_or_of_other_outputs_is_not_an_earlier_run(tmp_path: Path, content: str) -> None:
    listed = tmp_path / "run.json"
    listed.write_text(content)
    assert restore(listed, [OUTPUT], Hashes(tmp_path / "hashes.json")) is False
