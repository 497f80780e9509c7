"""Classification: one of K classes for each example."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True, eq=False)
class Classification:
    """Outputs are logits, float32 N×K. See `intaglio.training.task.Task`.

    Targets are labels, int64 N, or where training images are blended their shares of the classes, float32 N×K.

    Attributes:
        label_smoothing: share of the target's probability that is spread over all classes in training.
        weights: what each class counts in training, float32 K on the outputs' device; None for all alike.
        unit: what is classified, in the plural.
    """

    label_smoothing: float
    weights: Tensor | None = None
    unit: str = "images"

    def count(self, targets: Tensor) -> int:
        """N."""
        return len(targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy with label smoothing."""
        if self.weights is None:
            return cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        # torch's own mean divides labels' losses by their weights, and shares' by N.
        smoothing = self.label_smoothing
        total = cross_entropy(outputs, targets, self.weights, label_smoothing=smoothing, reduction="sum")
        return total / len(targets)

    def scoring_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return cross_entropy(outputs, targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many have their largest logit at their label, or at the class with the largest share."""
        labels = targets.argmax(1) if targets.ndim == 2 else targets
        return (outputs.argmax(1) == labels).sum()
