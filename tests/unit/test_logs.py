"""A step's log file, of which another process may think that it is its own."""

from pathlib import Path

import pytest

from intaglio.logs import TERMINAL_ONLY, begin_log, log_to, logger

LOG = Path("logs/train.base.log")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LOG.parent.mkdir()
    LOG.write_text("what another process writes\n")


def lines() -> list[str]:
    """The log's lines without their times."""
    return [line.split(" ", 2)[2] for line in LOG.read_text().splitlines()]


def test_a_log_is_added_to_until_it_is_certain_whose_it_is() -> None:
    with log_to("train", "base"):
        logger.info("waiting", extra=TERMINAL_ONLY)
        assert LOG.read_text() == "what another process writes\n"
        begin_log()
        logger.info("epoch 1")
        assert lines() == ["epoch 1"]


@pytest.mark.parametrize("other", [None, ""], ids=["removed", "begun by another process"])
def test_a_log_that_was_removed_is_whole_again_with_the_next_line(other: str | None) -> None:
    with log_to("train", "base"):
        begin_log()
        logger.info("epoch %d", 1)
        logger.info("epoch %d", 2)
        LOG.unlink()
        if other is not None:
            LOG.write_text(other)
        logger.info("epoch %d", 3)
        assert lines() == ["epoch 1", "epoch 2", "epoch 3"]


def test_a_folder_of_logs_that_is_gone_ends_no_step() -> None:
    with log_to("train", "base"):
        begin_log()
        logger.info("epoch %d", 1)
        LOG.unlink()
        LOG.parent.rmdir()
        LOG.parent.write_text("a file")
        logger.info("epoch %d", 2)
        LOG.parent.unlink()
        logger.info("epoch %d", 3)
        assert lines() == ["epoch 1", "epoch 2", "epoch 3"]
