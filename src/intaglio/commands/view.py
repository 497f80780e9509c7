"""view: a network in Netron, to look around in."""

from pathlib import Path
from typing import Annotated


def run(network: Annotated[str, "base, finetuned, or the path of a model file"]) -> None:
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
    from intaglio.errors import UserError

    if network in ("base", "finetuned"):
        exported = Path("results/onnx", f"{network}.onnx")
        if not exported.is_file():
            raise UserError(f"{exported}: not there; make it with `snakemake --cores 2 {exported}`")
        return exported
    given = Path(network)
    if not given.is_file():
        raise UserError(f"{given}: no such file; give base, finetuned, or the path of a model file")
    return given
