"""Classification: one of K classes for each example."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Classification:
    """Outputs are logits, float32 N×K; targets are labels, int64 N. See `intaglio.training.task.Task`.

    Attributes:
        label_smoothing: share of the target's probability that is spread over all classes in training.
        unit: what is classified, in the plural.
    """

    label_smoothing: float
    unit: str = "images"

    def count(self, targets: Tensor) -> int:
        """N."""
        return len(targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy with label smoothing."""
        return cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

    def scoring_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return cross_entropy(outputs, targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many have their largest logit at their label."""
        return (outputs.argmax(1) == targets).sum()
