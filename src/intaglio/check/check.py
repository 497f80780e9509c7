"""The run on disk held against the one recorded at a git revision: what differs, why, and whether by more than noise.

Causes are sought at the root: where a stage's inputs differ because an earlier stage's outputs do, that stage is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from intaglio.chain.stages import Stage
from intaglio.check.causes import BROWSER, changed_inputs, machine, own_causes
from intaglio.check.networks import MODELS, Judgement, judge, networks_of, within_noise
from intaglio.check.reference import Pair, Reference, read_chain, read_pairs
from intaglio.history.revision import Revision


class Sameness(StrEnum):
    """How an output compares with the recorded one."""

    IDENTICAL = "identical bytes"
    NOISE = "same within noise"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Finding:
    """One stage of the comparison."""

    stage: str
    outputs: dict[str, Sameness]
    causes: list[str]  # what the stage itself did differently
    roots: list[str]  # earlier stages that differ by themselves, and so this one does
    known: bool = True  # whether a run that is known left the files on disk

    @property
    def worst(self) -> Sameness:
        """How the output compares that differs most."""
        return max(self.outputs.values(), key=list(Sameness).index, default=Sameness.IDENTICAL)

    @property
    def sources(self) -> list[str]:
        """The stages in which the difference starts, this one or earlier ones."""
        return [*self.roots, self.stage] if self.causes or not self.roots else self.roots

    @property
    def unexplained(self) -> bool:
        """Whether an output differs, by more than noise, and nothing says why."""
        return self.worst is Sameness.DIFFERENT and not self.causes and not self.roots


@dataclass(frozen=True)
class Comparison:
    """All stages in the order of the chain, and the networks of which something differs."""

    revision: Revision
    findings: list[Finding]
    networks: list[Judgement]


def compare(name: str) -> Comparison:
    """Compare the files on disk with the run that is recorded at a revision.

    Raises:
        UserError: there is no such revision or no whole run, there or here, or a file of it is broken.
    """
    revision, stages = Revision(name), read_chain()
    reference = Reference(revision)
    pairs = read_pairs(reference, stages)
    networks = {
        model: judge(model, pairs, reference)
        for model in MODELS
        if any(model in networks_of(pair.stage) and pair.changed for pair in pairs.values())
    }
    findings: dict[str, Finding] = {}
    for stage in stages.values():
        if stage.name in pairs:
            findings[stage.name] = _find(pairs[stage.name], reference, findings, networks)
        else:
            findings[stage.name] = _only(stage, f"{name} has no such stage")
    gone = [_only(stage, "only there") for stage in reference.stages.values() if stage.name not in stages]
    return Comparison(revision, [*findings.values(), *gone], list(networks.values()))


def _find(
    pair: Pair, reference: Reference, earlier: Mapping[str, Finding], networks: Mapping[str, Judgement]
) -> Finding:
    if not pair.changed:
        return Finding(pair.stage.name, dict.fromkeys(pair.stage.outputs, Sameness.IDENTICAL), [], [])
    causes, roots = list(own_causes(pair, reference)), set[str]()
    inputs = changed_inputs(pair)
    for path in inputs:
        maker = next((finding for finding in earlier.values() if path in finding.outputs), None)
        if maker is None:
            causes.append(f"data: {path}")
        elif maker.outputs[path] is Sameness.IDENTICAL:
            causes.append(f"data: {path} was another when one of the two runs read it; `snakemake --cores 4` reads it")
        else:
            roots.update(maker.sources)
    if not inputs:
        causes.extend(machine(pair, reference))
    if not causes and not roots and pair.stage.step == "visualize":
        causes.append(BROWSER)
    # Files that no known run left are nobody's noise: they were changed by hand, or come from elsewhere.
    within = pair.known and within_noise(pair.stage, networks)
    other = Sameness.NOISE if within else Sameness.DIFFERENT
    changed = pair.changed
    paths = dict.fromkeys((*pair.stage.outputs, *changed))
    outputs = {path: other if path in changed else Sameness.IDENTICAL for path in paths}
    return Finding(pair.stage.name, outputs, causes, [name for name in earlier if name in roots], pair.known)


def _only(stage: Stage, cause: str) -> Finding:
    return Finding(stage.name, dict.fromkeys(stage.outputs, Sameness.DIFFERENT), [f"chain: {cause}"], [])
