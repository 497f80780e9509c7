"""compare: what changed between revisions, and whether the networks differ by more than chance."""

from pathlib import Path
from typing import Annotated


def run(
    revisions: Annotated[
        list[str] | None,
        "commits, branches, tags, DVC experiments, ranges (main..feature, HEAD~5..), or . for the working tree; "
        "the first is the reference. One alone is compared with the working tree, no name is HEAD.",
    ] = None,
    *,
    every: Annotated[bool, "show all metrics, those of single classes and networks and equal ones, too"] = False,
    md: Annotated[bool, "print Markdown for a pull request's comment"] = False,
    csv: Annotated[bool, "print every number of all revisions and epochs, in long form"] = False,
    json: Annotated[
        bool, "print the comparison as JSON; changes of shares are shares there, not percentage points"
    ] = False,
    html: Annotated[Path | None, "also write a page with curves, history, confusion and flipped images"] = None,
    fail_if: Annotated[
        list[str] | None,
        'exit with 1 when this is true of the change from the first to the last: "NETWORK.test.accuracy < -0.5". '
        "Shares (accuracy, agreement, recall, calibration error ...) are in percentage points, all else in the "
        "metric's own unit. May be given several times.",
    ] = None,
) -> None:
    """Compare the metrics of revisions as git has them: nothing is checked out, fetched or run.

    Networks that differ in nothing but the seed are one group, with mean and standard deviation.
    """
    import sys

    import pandas as pd
    import typer

    from intaglio.compare.conditions import failures
    from intaglio.compare.export import as_csv, as_object
    from intaglio.compare.run import compare_revisions
    from intaglio.compare.text import markdown, terminal
    from intaglio.errors import UserError
    from intaglio.files import write_text
    from intaglio.history.repository import Repository
    from intaglio.history.selection import select
    from intaglio.logs import logger

    # The names that git has may be in any encoding; Arrow's strings, which pandas would use, are always UTF-8.
    pd.set_option("mode.string_storage", "python")
    if md + csv + json > 1:
        raise UserError("--md, --csv, --json: print different things; give one of them")
    repository = Repository()
    comparison = compare_revisions(select(revisions or (), repository), repository, with_images=html is not None)
    failed = list(failures(comparison, fail_if or ()))
    if csv:
        text = as_csv(comparison)
    elif json:
        text = as_object(comparison)
    else:
        text = (markdown if md else terminal)(comparison, every)
    print(_printable(text, sys.stdout.encoding), end="")
    if html is not None:
        from intaglio.compare.page import page

        write_text(html, _encodable(page(comparison)))
        logger.info("%s: open it in a browser", html)
    for condition in failed:
        logger.error("--fail-if %s", condition)
    # Also with 0, so that the time taken is not logged after the verdict.
    raise typer.Exit(int(bool(failed)))


def _encodable(text: str) -> str:
    """Text without halves of characters, which file names and JSON of a commit may have."""
    return text.encode(errors="backslashreplace").decode()


def _printable(text: str, encoding: str) -> str:
    """Text whose every character the terminal can show, and none controls it; others as JSON escapes them."""
    import json

    def shown(letter: str) -> bool:
        return letter.isprintable() and letter.encode(encoding, errors="ignore") != b""

    return text.translate({ord(each): json.dumps(each)[1:-1] for each in set(text) - {"\n"} if not shown(each)})
