"""`summary.md`: the run on half a screen."""

from collections.abc import Sequence

from intaglio.report import wording
from intaglio.report.networks import Network
from intaglio.report.standings import Standing
from intaglio.report.templating import environment


def summary(networks: Sequence[Network], standings: Sequence[Standing]) -> str:
    """The run as Markdown.

    Args:
        networks: those of the run, at least one.
        standings: the same, by data set.
    """
    template = environment().get_template("summary.md")
    return template.render(
        title=wording.title(standings),
        facts=wording.facts(networks),
        machines=wording.machines(networks),
        standings=standings,
        networks=networks,
        ranked=any(len(standing.entries) > 1 for standing in standings),
    )
