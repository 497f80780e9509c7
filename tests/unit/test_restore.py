"""A note of an earlier run that a power cut left in pieces."""

from pathlib import Path

import pytest

from intaglio.chain.hashes import Hashes
from intaglio.chain.run_cache import CHOICE, restore


@pytest.mark.parametrize("content", ["", '{"results/metrics/base.json": "d4', "\0\0\0"])
def test_a_note_cut_short_is_no_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv(CHOICE, "yes")
    note = tmp_path / "note.json"
    note.write_text(content)
    assert restore(note, Hashes(tmp_path / "hashes.json")) is False
