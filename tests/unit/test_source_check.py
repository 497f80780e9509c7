"""A source that cannot be read is an error while there is still something to lose, and only then."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recorded_run import RecordedRun

from intaglio.chain.source_check import check_sources
from intaglio.errors import UserError
from intaglio.params.reader import Params

RAW = Path("data/raw/fashion.tar")
CHECKPOINT = "results/checkpoints/lite0.safetensors"


@pytest.fixture
def run(isolated_git: None) -> RecordedRun:
    return RecordedRun()


def check(data: str | None = None, weights: str = "published") -> None:
    """Check a source of the data set `fashion`, which is set as in a recorded run's params.yaml, and one of weights."""
    settings: Any = SimpleNamespace(
        data={"fashion": SimpleNamespace(source=data)}, weights={"lite0": SimpleNamespace(source=weights)}
    )
    check_sources(Params(Path("params.yaml")), settings)


@pytest.mark.parametrize(
    "source",
    [
        *("/nope", "x#sha256=xyz", "~nosuchuser/x", "file://[", "s3://bucket/x"),
        *(f".#sha256={'0' * 64}", f"params.yaml#sha256={'0' * 64}"),
    ],
)
def test_a_new_source_that_cannot_be_read_is_one_line_before_the_old_ones_output_is_lost(
    run: RecordedRun, source: str
) -> None:
    run.set("data.fashion", source=source)
    with pytest.raises(UserError) as error:
        check(source)
    assert str(error.value).startswith("params.yaml: data.fashion.source: ") and "\n" not in str(error.value)
    # Nothing to lose: the step says it.
    RAW.unlink()
    check(source)


def test_what_was_made_from_a_source_needs_it_no_more(run: RecordedRun) -> None:
    run.set("data.fashion", source="/elsewhere/fashion.tar")
    run.lock()
    check("/elsewhere/fashion.tar")
    RAW.write_text("other bytes")
    with pytest.raises(UserError, match=r"data\.fashion\.source"):
        check("/elsewhere/fashion.tar")


@pytest.mark.parametrize(
    "source",
    ["/nope/net.pth", "pypi:a b", "net.pth#sha256=xyz", "params.yaml", f"params.yaml#sha256={'0' * 64}"],
)
def test_weights_have_a_source_too(run: RecordedRun, source: str) -> None:
    run.set("weights", lite0={"model": "timm/tf_efficientnet_lite0", "source": source})
    check(weights=source)
    run.write(CHECKPOINT, "made from another source")
    with pytest.raises(UserError, match=r"^params\.yaml: weights\.lite0\.source: "):
        check(weights=source)


def test_weights_in_the_cache_of_downloads_are_there(run: RecordedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAGLIO_CACHE", "cache")
    checksum = hashlib.sha256(b"weights").hexdigest()
    source = f"/nope/net.pth#sha256={checksum}"
    run.set("weights", lite0={"model": "timm/tf_efficientnet_lite0", "source": source})
    run.write(CHECKPOINT, "made from another source")
    run.write(f"cache/sha256/{checksum}", "weights")
    check(weights=source)
