"""`summary.md`: the run on half a screen."""

from intaglio.report import wording
from intaglio.report.results import Results
from intaglio.report.templating import environment


def summary(results: Results, base_set: str, target_set: str, seed: int) -> str:
    """The run as Markdown.

    Args:
        results: what the chain measured.
        base_set: name of the set that the base network learned.
        target_set: name of the set that it was fine-tuned on.
        seed: the run's.
    """
    template = environment().get_template("summary.md")
    return template.render(
        results=results,
        base_set=base_set,
        target_set=target_set,
        facts=wording.facts(results, seed),
        machines=wording.machines(results),
        comparison=wording.comparison(results),
    )
