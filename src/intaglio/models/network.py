"""The shape that every network here has: a backbone of blocks, and a last linear layer on top."""

from collections.abc import Mapping

from torch import Tensor, nn


class Network(nn.Module):
    """A classifier: float images N×C×H×W in, logits N×K out.

    `backbone` turns images into features N×F, block by block; `head` turns features into logits. Fine-tuning replaces
    the head and may freeze the first blocks.
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

    def train(self, mode: bool = True) -> "Network":
        """Switch to training mode, but for blocks without a trainable weight: their batch statistics stay frozen."""
        super().train(mode)
        for block in self.backbone:
            if not any(parameter.requires_grad for parameter in block.parameters()):
                block.eval()
        return self
