"""The shape of this project's own networks: a backbone of blocks, and a last linear layer."""

from collections.abc import Mapping

from torch import Tensor, nn

from intaglio.models.parts import Parts


class Network(nn.Module):
    """A classifier: float images N×C×H×W in, logits N×K out.

    `backbone` turns images into features N×F, block by block; `head` turns features into logits.
    """

    def __init__(self, blocks: Mapping[str, nn.Module], features: int, classes: int) -> None:
        """Join named blocks and a new linear layer from `features` to `classes`."""
        super().__init__()
        self.backbone = nn.Sequential()
        for name, block in blocks.items():
            self.backbone.add_module(name, block)
        self.head = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×K of normalised images N×C×H×W."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    @property
    def parts(self) -> Parts:
        """The first convolution or linear layer, the blocks that have parameters, and the head."""
        layers = self.named_modules()
        blocks = self.backbone.named_children()
        return Parts(
            first=(next(name for name, layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)),),
            blocks=tuple((f"backbone.{name}",) for name, block in blocks if any(True for _ in block.parameters())),
            head="head",
        )
