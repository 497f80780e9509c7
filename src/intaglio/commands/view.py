"""view: a network in Netron, to look around in."""

from pathlib import Path
from typing import Annotated


def run(network: Annotated[str, "network (row of train or finetune), or the path of a model file"]) -> None:
    """Open a network in Netron, in the default browser, until Ctrl-C."""
    import webbrowser
    from threading import Event

    from intaglio.netron.server import serve

    model = _model(network)
    with serve(model) as address:
        opened = webbrowser.open(address)
        print(f"{model}: {address}{'' if opened else ' (open it in a browser)'}; Ctrl-C ends it", flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            print()


def _model(network: str) -> Path:
    from intaglio.chain.stages import PARAMS
    from intaglio.errors import UserError
    from intaglio.params.reader import Params
    from intaglio.params.rows import nearest, network_names

    exported = Path("results/onnx", f"{network}.onnx")
    if exported.is_file():
        return exported
    names = network_names(Params(PARAMS).values) if PARAMS.exists() else []
    if network in names:
        raise UserError(f"{exported}: not there; make it with `snakemake --cores 2 {exported}`")
    if not Path(network).is_file():
        raise UserError(f"{network}: no such file, and no network has this name; {nearest(network, names)}")
    return Path(network)
