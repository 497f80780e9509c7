"""Numbers as text, and the sentences that the page and the summary share."""

from collections.abc import Iterable, Sequence

from intaglio.history.noise import FEW_RUNS, WEAK
from intaglio.report.networks import Network
from intaglio.report.standings import Comparison, Entry, Standing

# Half a point: less is not worth a word.
SMALL_GAP = 0.005


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


def probability(p: float) -> str:
    """0.41, 0.0012, < 0.0001."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def listed(names: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def accuracy(entry: Entry) -> str:
    """93.47 %, or with several seeds 93.47 ± 0.12 %."""
    if entry.deviation is None:
        return percent(entry.accuracy)
    return f"{100 * entry.accuracy:.2f} ± {100 * entry.deviation:.2f} %"


def data_set(network: Network) -> str:
    """The row of `data` that a network learned, with the set's own name where that is another."""
    data = network.record.data
    return data.name if data.name == data.set else f"{data.name} ({data.set})"


def verdict(comparison: Comparison) -> str:
    """Whether a difference to the best is more than noise."""
    if not comparison.same_images:
        return "other test images"
    if comparison.p is None:
        return "–"
    return "within noise" if comparison.within_noise else "more than noise"


def title(standings: Sequence[Standing]) -> str:
    """What the run is about."""
    networks = [network for standing in standings for network in standing.networks]
    sets = listed(dict.fromkeys(standing.set for standing in standings))
    return f"{networks[0].name if len(networks) == 1 else f'{len(networks)} networks'} on {sets}"


def facts(networks: Sequence[Network]) -> str:
    """What was trained, and how it was computed."""
    records = [network.record.training for network in networks]
    sizes: dict[str, list[int]] = {}
    for record in records:
        sizes.setdefault(record.model, []).append(record.parameters)
    models = [f"{model} ({_range(counts)} parameters)" for model, counts in sizes.items()]
    devices = dict.fromkeys(f"{record.device} in {record.precision}" for record in records)
    exact = all(record.deterministic for record in records)
    how = "" if exact else ", by algorithms that need not give the same bits again"
    seeds = sorted({network.seed for network in networks})
    return (
        f"{'Architecture' if len(models) == 1 else 'Architectures'}: {listed(models)}; computed on {listed(devices)}"
        f"{how}; {'seed' if len(seeds) == 1 else 'seeds'} {listed(map(str, seeds))}."
    )


def machines(networks: Sequence[Network]) -> list[str]:
    """What machine made the results: a sentence for each that had a part."""
    parts: dict[str, list[str]] = {}
    for network in networks:
        record = network.record
        made_on = {
            "trained": record.training.fingerprint,
            "tested": record.scores.fingerprint,
            "compared with ONNX": record.parity.fingerprint,
        }
        if len(set(made_on.values())) == 1:
            parts.setdefault(record.training.fingerprint, []).append(network.name)
        else:
            for done, fingerprint in made_on.items():
                parts.setdefault(fingerprint, []).append(f"{network.name} {done}")
    if len(parts) == 1:
        return [f"Made on: {fingerprint}." for fingerprint in parts]
    return [f"Made on ({', '.join(done)}): {fingerprint}." for fingerprint, done in parts.items()]


def comparison(standing: Standing) -> str:
    """Which is best on a data set, and whether by more than noise; empty where there is nothing to compare."""
    best, *others = standing.entries
    if not others:
        return ""
    first = f"On {standing.set}, {best.name} is best with {accuracy(best)}."
    if len(others) == 1:
        return f"{first} {_against(others[0])}"
    kinds = {
        "within noise": "Within noise of it",
        "more than noise": "Worse by more than noise",
        "other test images": "Tested on other images, and so not compared",
        "–": "Not known to differ by more than noise",
    }
    by_kind = {kind: [entry.name for entry in others if verdict(_of(entry)) == kind] for kind in kinds}
    return " ".join([first, *(f"{kinds[kind]}: {', '.join(names)}." for kind, names in by_kind.items() if names)])


def method(standing: Standing) -> str:
    """How the p of a data set's table were computed; empty where there are none."""
    known = [entry for entry in standing.entries if entry.against_best and entry.against_best.p is not None]
    single = "exact McNemar test of the same test images"
    several = "the larger of a t test over the seeds and a paired t test over the test images"
    uses_seeds = [len(entry.runs) > 1 or len(standing.entries[0].runs) > 1 for entry in known]
    methods = [*([single] if False in uses_seeds else []), *([several] if True in uses_seeds else [])]
    runs = [len(entry.runs) + len(standing.entries[0].runs) for entry in known]
    weak = f" {WEAK[0].upper()}{WEAK[1:]}." if any(2 < count <= FEW_RUNS for count in runs) else ""
    return f"p: {'; with several seeds, '.join(methods)}.{weak}" if methods else ""


def calibration(network: Network, bins: int) -> str:
    """Whether the network's confidence fits its accuracy."""
    confidence = float(network.predictions["confidence"].mean())
    correct = network.accuracy
    judgement = "about as confident as it should be"
    if abs(confidence - correct) >= SMALL_GAP:
        judgement = "over-confident" if confidence > correct else "under-confident"
    return (
        f"It is correct for {percent(correct)} of the images, with a mean confidence of {percent(confidence)}: "
        f"{judgement}. Confidence and accuracy differ by {points(network.record.scores.calibration_error)} points on "
        f"average over {bins} bins (expected calibration error)."
    )


def _range(counts: Sequence[int]) -> str:
    low = number(min(counts))
    high = number(max(counts))
    return low if low == high else f"{low} to {high}"


def _of(entry: Entry) -> Comparison:
    assert entry.against_best is not None
    return entry.against_best


def _against(entry: Entry) -> str:
    """A sentence on the only other network."""
    compared = _of(entry)
    if not compared.same_images:
        return f"{entry.name} ({accuracy(entry)}) was tested on other images, so the two are not compared."
    size = points(compared.behind)
    below = "is level with it" if size == "0.00" else f"is {size} points below it"
    if compared.p is None:
        return f"{entry.name} ({accuracy(entry)}) {below}."
    p = probability(compared.p)
    meaning = "within noise" if compared.within_noise else "more than noise"
    return f"{entry.name} ({accuracy(entry)}) {below}: {meaning} (p {p if p.startswith('<') else f'= {p}'})."
