"""visualize: pictures of a network, as Netron draws it."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("visualize",)

SWITCHED_OFF = """\
Pictures are switched off (visualize.pictures: false in params.yaml).
To have them, set it to true and run the workflow again.
To look at this network in Netron: intaglio view {name}"""


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train or finetune)"],
    onnx: Annotated[Path, Reads("network to draw (ONNX)")],
    svg: Annotated[Path, Writes("picture to write, as SVG")],
    png: Annotated[Path, Writes("picture to write, as PNG")],
) -> None:
    """Draw a network's graph as SVG and PNG."""
    from intaglio.files import replacing
    from intaglio.logs import logger
    from intaglio.netron.note import note
    from intaglio.netron.pictures import draw
    from intaglio.params.reader import Params
    from intaglio.params.visualize import Visualize

    how: Visualize = Params(params).get("visualize", Visualize)
    with replacing(svg) as new_svg, replacing(png) as new_png:
        if how.pictures:
            draw(onnx, new_svg, new_png)
        else:
            note(new_svg, new_png, SWITCHED_OFF.format(name=name))
    logger.info("%s: %s and %s", name, svg, png)
