"""The check of a run as lines of text, for a terminal and a CI log."""

import textwrap
from collections.abc import Iterator

from intaglio.check.run import Finding, RunCheck, Sameness

WIDTH = 100


def lines(check: RunCheck) -> Iterator[str]:
    """A table of all outputs with the reasons below each stage, a line for each network, and the verdict."""
    stages = max((len(finding.stage) for finding in check.findings), default=0)
    paths = max((len(path) for finding in check.findings for path in finding.outputs), default=0)
    for finding in check.findings:
        for place, (path, sameness) in enumerate(finding.outputs.items()):
            yield f"{'' if place else finding.stage:{stages}}  {path:{paths}}  {sameness}"
        for reason in _reasons(finding):
            yield from _wrapped(reason, indent=stages + 4)
    for network in check.networks:
        yield from _wrapped(network.text, indent=0)
    yield _verdict(check)


def _reasons(finding: Finding) -> Iterator[str]:
    yield from finding.causes
    if finding.roots:
        yield f"because {' and '.join(finding.roots)} {'differs' if len(finding.roots) == 1 else 'differ'}"
    if not finding.recorded:
        yield "these files do not come from any recorded run: they were changed or replaced since"
    elif not finding.causes and not finding.roots and finding.worst is not Sameness.IDENTICAL:
        yield "no known cause: settings, code, packages, command and inputs are as recorded, no other machine is noted"


def _verdict(check: RunCheck) -> str:
    unexplained = [finding.stage for finding in check.findings if finding.unexplained]
    if unexplained:
        return f"different from {check.reference}, and nothing explains it: {', '.join(unexplained)}"
    different = [finding for finding in check.findings if finding.worst is Sameness.DIFFERENT]
    if different:
        sources = dict.fromkeys(source for finding in different for source in finding.sources)
        return f"different from {check.reference}, and explained: {', '.join(sources)}"
    if any(finding.worst is Sameness.NOISE for finding in check.findings):
        return f"the same within noise as {check.reference}"
    return f"identical to {check.reference}: all {sum(len(finding.outputs) for finding in check.findings)} files"


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
