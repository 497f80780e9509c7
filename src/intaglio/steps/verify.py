"""verify: the ONNX file and PyTorch on the whole test split."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("compute.threads", "verify")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train or finetune)"],
    checkpoint: Annotated[Path, Reads("network as PyTorch has it (safetensors)")],
    onnx: Annotated[Path, Reads("network as ONNX has it")],
    data: Annotated[Path, Reads("prepared images whose test split to use")],
    parity: Annotated[Path, Writes("differences (JSON)")],
) -> None:
    """Check that the ONNX file computes what PyTorch computes."""
    import torch

    from intaglio.data.batches import Normaliser, for_scoring
    from intaglio.data.store import open_prepared
    from intaglio.errors import UserError
    from intaglio.logs import logger
    from intaglio.models.checkpoint import load
    from intaglio.onnx.parity import check_card, check_size, compare, summarise
    from intaglio.onnx.session import Session
    from intaglio.params.compute import Compute
    from intaglio.params.reader import Params
    from intaglio.params.verify import Verify
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.records import write_record

    reader = Params(params)
    compute = reader.get("compute", Compute)
    settings = reader.get("verify", Verify)
    torch.set_num_threads(compute.threads)

    network, _, card = load(checkpoint)
    prepared = open_prepared(data)
    card.check_classes(checkpoint, prepared.facts.classes, data)
    test = prepared.split("test")
    normalise = Normaliser(card.input.mean, card.input.std)
    session = Session(onnx, compute.threads)
    check_card(session, card)
    results = []
    for count in settings.batch_sizes:
        cpu = torch.device("cpu")
        batches = for_scoring(prepared, "test", card.input.view, normalise, batch_size=count, device=cpu)
        results.append(compare(network, session, batches))

    check_size(results, checkpoint, onnx)
    record = summarise(results, test.labels, test.rows, in_a_line(fingerprint("cpu", compute.threads)))
    agreement = record.agreement
    difference = record.max_difference
    logger.info("%s: top-1 agreement %.4f %%, largest difference %.3g", name, 100 * agreement, difference)
    if agreement < settings.min_agreement or not difference <= settings.max_difference:
        raise UserError(
            f"{onnx}: does not compute what {checkpoint} computes: agreement {agreement} (least "
            f"{settings.min_agreement}), largest difference {difference:.3g} (most {settings.max_difference}) at test "
            f"image {record.worst.image}, batch size {record.worst.batch_size}; export again, or look at verify in "
            f"{params}"
        )
    write_record(parity, record)
