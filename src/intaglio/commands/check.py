"""check: the run on disk against the run that is committed at a git revision."""

from typing import Annotated


def run(revision: Annotated[str, "commit, branch or tag whose run is the reference"] = "HEAD") -> None:
    """Compare the finished run with the one committed at a git revision: identical, within noise, or different and why.

    The exit code is 1 for a difference that nothing explains.
    """
    import typer

    from intaglio.chain.clone_lock import claimed
    from intaglio.check.check import compare
    from intaglio.check.wording import lines

    with claimed():
        comparison = compare(revision)
    print("\n".join(lines(comparison)))
    # Also with 0, so that the verdict is the last line: a command that just ends says how long it took.
    raise typer.Exit(int(any(finding.unexplained for finding in comparison.findings)))
