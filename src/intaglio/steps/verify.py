"""verify: the ONNX file and PyTorch on the whole test split."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

# Test images at every batch size but the largest, which has all of them: single images take their time.
FEW = 500

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
    from intaglio.onnx.parity import all_zero, check_card, check_size, compare, summarise
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
        results.append(compare(network, session, batches, None if count == max(settings.batch_sizes) else FEW))

    check_size(results, checkpoint, onnx)
    if all_zero(results):
        raise UserError(
            f"{checkpoint}: its logits are 0 for every test image, so that comparing {onnx} with it proves nothing; "
            "train the network first"
        )
    record = summarise(results, test.labels, test.rows, in_a_line(fingerprint("cpu", compute.threads)))
    agreement = record.agreement
    difference = record.relative_difference
    assert difference is not None
    logger.info(
        "%s: top-1 agreement %.4f %%, largest difference %.3g, %.3g of the largest logit",
        name,
        100 * agreement,
        record.max_difference,
        difference,
    )
    if agreement < settings.min_agreement or not difference <= settings.max_difference:
        raise UserError(
            f"{onnx}: does not compute what {checkpoint} computes: agreement {agreement} (least "
            f"{settings.min_agreement}), largest difference {difference:.3g} of the largest logit (most "
            f"{settings.max_difference}) at test image {record.worst.image}, batch size {record.worst.batch_size}; "
            f"export again, or look at verify in {params}"
        )
    write_record(parity, record)
