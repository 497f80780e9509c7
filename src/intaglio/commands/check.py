"""check: the run on disk compared with the run that is committed at a git revision."""

from typing import Annotated


def run(revision: Annotated[str, "commit, branch or tag whose run is the reference"] = "HEAD") -> None:
    """Compare the finished run with the one committed at a git revision: identical, within noise, or different and why.

    The exit code is 1 for a difference without a known cause.
    """
    import typer

    from intaglio.chain.clone_lock import claim
    from intaglio.check.run import check_run
    from intaglio.check.wording import lines

    with claim():
        checked = check_run(revision)
    print("\n".join(lines(checked)))
    # Also with 0, so that the verdict is the last line: a command that just ends says how long it took.
    raise typer.Exit(int(any(finding.unexplained for finding in checked.findings)))
