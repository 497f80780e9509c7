"""The run on disk compared with the one recorded at a git revision: what differs, why, and whether by more than noise.

Causes are sought at the root: where a stage's inputs differ because an earlier stage's outputs do, that stage is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from intaglio.chain.stages import Stage
from intaglio.check.causes import BROWSER, changed_inputs, machine, own_causes
from intaglio.check.networks import Judgement, judge, networks_of, within_noise
from intaglio.check.reference import Pair, Reference, read_chain, read_pairs
from intaglio.history.repository import SHORT, Repository


class Sameness(StrEnum):
    """How an output compares with the recorded one."""

    IDENTICAL = "identical bytes"
    NOISE = "same within noise"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Finding:
    """The comparison of one stage.

    Attributes:
        stage: its name.
        outputs: how each output compares, by path.
        causes: what the stage itself did differently.
        roots: the earlier stages in which the difference starts.
        recorded: whether the files on disk come from a recorded run.
    """

    stage: str
    outputs: dict[str, Sameness]
    causes: list[str]
    roots: list[str]
    recorded: bool = True

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
        """Whether an output differs by more than noise, without a known cause."""
        return self.worst is Sameness.DIFFERENT and not self.causes and not self.roots


@dataclass(frozen=True)
class RunCheck:
    """All stages in the order of the chain, and the networks for which something differs; `reference` in words."""

    reference: str
    findings: list[Finding]
    networks: list[Judgement]


def check_run(name: str) -> RunCheck:
    """Compare the files on disk with the run that is recorded at a revision.

    Raises:
        UserError: there is no such revision or no whole run, there or here, or a file of it is broken.
    """
    repository = Repository()
    commit = repository.resolve(name)
    stages = read_chain()
    reference = Reference(name, commit, repository)
    pairs = read_pairs(reference, stages)
    changed = dict.fromkeys(network for pair in pairs.values() if pair.changed for network in networks_of(pair.stage))
    networks = {network: judge(network, pairs, reference) for network in changed}
    findings: dict[str, Finding] = {}
    for stage in stages.values():
        if stage.name in pairs:
            findings[stage.name] = _find(pairs[stage.name], reference, findings, networks)
        else:
            findings[stage.name] = _only(stage, f"{name} has no such stage")
    gone = [_only(stage, "only there") for stage in reference.stages.values() if stage.name not in stages]
    described = f"{name} ({reference.commit[:SHORT]})"
    return RunCheck(described, [*findings.values(), *gone], list(networks.values()))


def _find(
    pair: Pair, reference: Reference, earlier: Mapping[str, Finding], networks: Mapping[str, Judgement]
) -> Finding:
    if not pair.changed:
        return Finding(pair.stage.name, dict.fromkeys(pair.stage.outputs, Sameness.IDENTICAL), [], [])
    causes = list(own_causes(pair, reference))
    roots: set[str] = set()
    inputs = changed_inputs(pair)
    for path in inputs:
        maker = next((finding for finding in earlier.values() if path in finding.outputs), None)
        if maker is None:
            causes.append(f"data: {path}")
        elif maker.outputs[path] is Sameness.IDENTICAL:
            causes.append(f"data: {path} was another when one of the two runs read it; run `snakemake --cores 4`")
        else:
            roots.update(maker.sources)
    if not inputs:
        causes.extend(machine(pair, reference))
    if not causes and not roots and pair.stage.step == "visualize":
        causes.append(BROWSER)
    # Files that come from no recorded run are never called noise: they were changed by hand, or come from elsewhere.
    within = pair.recorded and within_noise(pair.stage, networks)
    other = Sameness.NOISE if within else Sameness.DIFFERENT
    paths = dict.fromkeys((*pair.stage.outputs, *pair.changed))
    outputs = {path: other if path in pair.changed else Sameness.IDENTICAL for path in paths}
    return Finding(pair.stage.name, outputs, causes, [name for name in earlier if name in roots], pair.recorded)


def _only(stage: Stage, cause: str) -> Finding:
    return Finding(stage.name, dict.fromkeys(stage.outputs, Sameness.DIFFERENT), [f"chain: {cause}"], [])
