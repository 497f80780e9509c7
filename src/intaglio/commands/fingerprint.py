"""fingerprint: what equal bits depend on, on this machine."""

from pathlib import Path


def run() -> None:
    """Print what the bits of a result depend on besides data, settings and code."""
    from intaglio.params.compute import Compute
    from intaglio.params.reader import Params
    from intaglio.params.seed import Seed
    from intaglio.provenance.fingerprint import fingerprint
    from intaglio.training.machine import use

    settings = Params(Path("params.yaml"))
    compute: Compute = settings.get("compute", Compute)
    machine = use(compute, settings.get("seed", Seed))
    facts = {**fingerprint(machine.device.type, compute.threads), "training": str(machine.dtype).removeprefix("torch.")}
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
