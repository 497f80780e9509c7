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
    """Prove that the ONNX file computes what PyTorch computes."""
    import torch

    from intaglio.data.batches import Normaliser, for_scoring
    from intaglio.data.store import open_prepared
    from intaglio.errors import UserError
    from intaglio.files import write_json
    from intaglio.logs import logger
    from intaglio.models.checkpoint import load
    from intaglio.onnx.parity import compare, open_session, summarise
    from intaglio.params.compute import Compute
    from intaglio.params.reader import Params
    from intaglio.params.verify import Verify
    from intaglio.provenance.fingerprint import fingerprint, in_a_line

    settings = Params(params)
    compute = settings.get("compute", Compute)
    gate = settings.get("verify", Verify)
    torch.set_num_threads(compute.threads)

    (network, card), prepared = load(checkpoint), open_prepared(data)
    card.must_fit(checkpoint, prepared.facts.classes, data)
    test = prepared.split("test")
    normalise, cpu = Normaliser(card.mean, card.std), torch.device("cpu")
    session = open_session(onnx, card, compute.threads)
    results = [
        compare(
            network,
            session,
            for_scoring(prepared, "test", card.shape[1:], normalise, batch_size=size, device=cpu),
        )
        for size in gate.batch_sizes
    ]

    found = summarise(results, test.labels, test.rows)
    agreement, difference, worst = found["agreement"], found["max_difference"], found["worst"]
    logger.info("%s: top-1 agreement %.4f %%, largest difference %.3g", name, 100 * agreement, difference)
    if agreement < gate.min_agreement or not difference <= gate.max_difference:
        raise UserError(
            f"{onnx}: does not compute what {checkpoint} computes: agreement {agreement} (least "
            f"{gate.min_agreement}), largest difference {difference:.3g} (most {gate.max_difference}) at test image "
            f"{worst['image']}, batch size {worst['batch_size']}; export again, or look at verify in {params}"
        )
    write_json(parity, found | {"fingerprint": in_a_line(fingerprint("cpu", compute.threads))})
