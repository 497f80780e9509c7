"""Training mode for a network of which some layers are frozen."""

from torch import nn


def training_mode(network: nn.Module) -> None:
    """Switch to training mode, except for modules whose parameters are all frozen.

    Those stay in evaluation mode, so that their batch statistics do not move and their dropout is off.
    """
    network.train()
    for module in network.modules():
        learns = [parameter.requires_grad for parameter in module.parameters()]
        if learns and not any(learns):
            module.eval()
