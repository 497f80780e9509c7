"""A contender: the network, optimizer, schedule and augmentation of ours, in PyTorch Lightning with its defaults.

The images are a tensor already, which v2's transforms take faster than PIL images. Logger, checkpoints, progress bar
and model summary are off.
"""

from collections.abc import Callable, Iterator
from typing import Any

import lightning
import numpy as np
import torch
from contender import Batch, Contender, options
from lightning.pytorch.callbacks import Callback
from rows import first_network
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from intaglio.data.store import open_prepared
from intaglio.models.build import build, initialise
from intaglio.params.recipe import SGD, ImageRecipe, Muon
from intaglio.training.optimizer import optimizers
from intaglio.training.schedule import rate


class Tensors(Dataset[tuple[Tensor, int]]):
    """Images as one uint8 tensor, transformed one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable[..., Tensor]) -> None:
        """Take uint8 images N×H×W×C and labels N."""
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels, self.transform = labels, transform

    def __len__(self) -> int:
        """Images in all."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image, transformed, and its label."""
        return self.transform(self.images[index]), int(self.labels[index])


class Watched(DataLoader[Batch]):
    """A DataLoader for which the clock counts the waiting."""

    run: Contender

    def __iter__(self) -> Iterator[Batch]:
        """One epoch."""
        return self.run.batches(super().__iter__())


class Classifier(lightning.LightningModule):
    """The network with its recipe."""

    def __init__(self, network: nn.Module, head: str, recipe: ImageRecipe) -> None:
        """Take the network, the dotted name of its last layer, and the recipe."""
        super().__init__()
        self.network = network
        self.head = head
        self.recipe = recipe
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        loss = self.loss(self.network(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """Ours: the rate changes with every step. With Muon there are two optimizers, which Lightning takes only from
        modules that write the loop themselves: then SGD learns all, at the rate of Muon's other parameters."""
        steps, config = int(self.trainer.estimated_stepping_batches), self.recipe.optimizer
        if isinstance(config, Muon):
            config = SGD(name="sgd", learning_rate=config.others_rate, momentum=0.9, weight_decay=0.0005)
        (chosen,) = optimizers(config, self.network.named_parameters(), {}, self.head)
        schedule = LambdaLR(chosen, lambda step: rate(self.recipe.schedule, min(step, steps - 1), steps))
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Turns(Callback):
    """Gives the turn away after each epoch."""

    def __init__(self, run: Contender) -> None:
        """For one run."""
        self.run = run

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Score, and wait for the next turn."""
        self.run.epoch_done(pl_module.network)


def main() -> None:
    """Train for some epochs."""
    args = options().parse_args()
    torch.set_num_threads(args.threads)
    lightning.seed_everything(args.seed, verbose=False)
    model, recipe = first_network(args.params)
    run = Contender(args.data)
    run.begin()

    prepared = open_prepared(args.data)
    facts, train = prepared.facts, prepared.split("train")
    height, width, channels = train.images.shape[1:]
    shift, flip = recipe.augment.shift, recipe.augment.flip != "none" and facts.flip
    normalise = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(facts.mean, facts.std)]
    transform = v2.Compose(
        [
            *([v2.RandomCrop((height, width), padding=shift, padding_mode="reflect")] if shift else []),
            *([v2.RandomHorizontalFlip()] if flip else []),
            *normalise,
        ]
    )
    loader = Watched(Tensors(train.images.read(), train.labels, transform), batch_size=recipe.batch_size, shuffle=True)
    loader.run = run
    network, parts = build(model, (channels, height, width), len(facts.classes))
    initialise(network, v2.Compose(normalise)(torch.from_numpy(train.images.read()[:5000]).permute(0, 3, 1, 2)))
    module = Classifier(network, parts.head, recipe)
    trainer = lightning.Trainer(
        max_epochs=args.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Turns(run)],
    )
    trainer.fit(module, loader)
    run.end(network, module.loss)


if __name__ == "__main__":
    main()
