"""A comparison as lines of text, for a terminal and a CI log."""

import textwrap
from collections.abc import Iterator

from intaglio.check.check import Comparison, Finding, Sameness

WIDTH = 100


def lines(comparison: Comparison) -> Iterator[str]:
    """A table of all outputs with the reasons below each stage, a line for each network, and the verdict."""
    stages = max(len(finding.stage) for finding in comparison.findings)
    paths = max(len(path) for finding in comparison.findings for path in finding.outputs)
    for finding in comparison.findings:
        for place, (path, sameness) in enumerate(finding.outputs.items()):
            yield f"{'' if place else finding.stage:{stages}}  {path:{paths}}  {sameness}"
        for reason in _reasons(finding):
            yield from _wrapped(reason, indent=stages + 4)
    for network in comparison.networks:
        yield from _wrapped(network.text, indent=0)
    yield _verdict(comparison)


def _reasons(finding: Finding) -> Iterator[str]:
    yield from finding.causes
    if finding.roots:
        yield f"because {' and '.join(finding.roots)} {'differs' if len(finding.roots) == 1 else 'differ'}"
    if not finding.known:
        yield "no run that is known left these files: they were changed or replaced since"
    elif not finding.causes and not finding.roots and finding.worst is not Sameness.IDENTICAL:
        yield "nothing explains it: settings, code, packages, command, inputs as recorded; no other machine noted"


def _verdict(comparison: Comparison) -> str:
    reference = f"{comparison.revision.name} ({comparison.revision.commit[:8]})"
    unexplained = [finding.stage for finding in comparison.findings if finding.unexplained]
    if unexplained:
        return f"different from {reference}, and nothing explains it: {', '.join(unexplained)}"
    different = [finding for finding in comparison.findings if finding.worst is Sameness.DIFFERENT]
    if different:
        sources = dict.fromkeys(source for finding in different for source in finding.sources)
        return f"different from {reference}, and explained: {', '.join(sources)}"
    if any(finding.worst is Sameness.NOISE for finding in comparison.findings):
        return f"the same within noise as {reference}"
    return f"identical to {reference}: all {sum(len(finding.outputs) for finding in comparison.findings)} files"


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
