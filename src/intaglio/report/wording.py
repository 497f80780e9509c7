"""Numbers as text, and the sentences that the page and the summary share."""

from intaglio.report.results import Network, Results


def number(value: int) -> str:
    """57,000."""
    return f"{value:,}"


def percent(share: float) -> str:
    """A share as 92.21 %."""
    return f"{100 * share:.2f} %"


def agreement(share: float) -> str:
    """A share of which only 1 is shown as 100 %."""
    return "100 %" if share == 1 else f"{100 * share:.4f} %"


def points(share: float) -> str:
    """A difference of two shares as 1.94, in percentage points."""
    return f"{100 * share:.2f}"


def short(value: float) -> str:
    """A measured number to three digits."""
    return f"{value:.3g}"


def facts(results: Results, seed: int) -> str:
    """What was trained, and on what."""
    base, tuned = results.base.run.record, results.finetuned.run.record
    devices = dict.fromkeys(f"{record.device} in {record.precision}" for record in (base, tuned))
    how = "" if base.deterministic and tuned.deterministic else ", by algorithms that need not give the same bits again"
    return (
        f"Network {base.model}, {number(base.parameters)} parameters; "
        f"computed on {' and '.join(devices)}{how}; seed {seed}."
    )


def machines(results: Results) -> list[str]:
    """What machine made the results: a sentence for each that had a part."""
    parts: dict[str, list[str]] = {}
    for name, network in (("base", results.base), ("fine-tuned", results.finetuned)):
        for done, record in (("trained", network.run.record), ("tested", network.test), ("compared", network.parity)):
            parts.setdefault(record.fingerprint, []).append(f"{name} {done}")
    if len(parts) == 1:
        return [f"Made on: {fingerprint}." for fingerprint in parts]
    return [f"Made on ({', '.join(done)}): {fingerprint}." for fingerprint, done in parts.items()]


def comparison(results: Results) -> str:
    """What fine-tuning gained over training from random weights."""
    if results.scratch is None:
        return "The comparison with training from scratch was switched off (finetune.compare_from_scratch)."
    tuned, scratch = results.finetuned.test, results.scratch.record.test
    gain = tuned.accuracy - scratch.accuracy
    size = points(abs(gain))
    verdict = "is level with" if size == "0.00" else f"is {size} points {'better' if gain > 0 else 'worse'} than"
    overlap = tuned.interval.low <= scratch.interval.high and scratch.interval.low <= tuned.interval.high
    chance = "overlap: this run alone does not settle which is better" if overlap else "do not overlap"
    return (
        f"On {number(tuned.images)} test images the fine-tuned network ({percent(tuned.accuracy)}) {verdict} the same "
        f"network trained from random weights ({percent(scratch.accuracy)}). Their 95 % intervals {chance}."
    )


def calibration(network: Network, bins: int) -> str:
    """Whether the network is as sure as it is right."""
    sure, right = float(network.predictions["confidence"].mean()), network.test.accuracy
    # Half a point: less is not worth a word.
    judgement = "about as sure as it is right"
    if abs(sure - right) >= 0.005:
        judgement = "surer than it is right" if sure > right else "less sure than it is right"
    return (
        f"It is right on {percent(right)} of the images with a mean confidence of {percent(sure)}: {judgement}. "
        f"Confidence and accuracy differ by {points(network.test.calibration_error)} points on average over {bins} "
        "bins (expected calibration error)."
    )
