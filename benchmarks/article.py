"""A contender: the article's script, written the ordinary way.

PIL images one by one through torchvision's transforms, a DataLoader, and a plain loop in fp32. Its network is the
article's with the size of the hidden layer's input put right (32·13·13 for 28 pixels; the article has 32·26·26).
"""

from collections.abc import Callable

import numpy as np
import torch
from contender import Contender, options
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from intaglio.data.store import open_prepared

# The article's numbers.
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 64, 0.01, 0.9


class Pictures(Dataset[tuple[Tensor, int]]):
    """A set in memory that gives PIL images, as torchvision's own classes do."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable[..., Tensor]) -> None:
        """Take uint8 images N×H×W×C and labels N."""
        self.images = images.squeeze(3) if images.shape[3] == 1 else images  # Pillow wants grey ones without channels
        self.labels, self.transform = labels, transform

    def __len__(self) -> int:
        """Images in all."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image, transformed, and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Net(nn.Module):
    """Convolution, pooling, two linear layers."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        """For images H×W×C."""
        super().__init__()
        height, width, channels = shape
        self.size = 32 * ((height - 2) // 2) * ((width - 2) // 2)
        self.conv1 = nn.Conv2d(channels, 32, 3, 1)
        self.fc1 = nn.Linear(self.size, 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = x.view(-1, self.size)
        return self.fc2(functional.relu(self.fc1(x)))


def main() -> None:
    """Train for some epochs."""
    args = options().parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    run = Contender(args.data, normalised=False)
    run.begin()

    prepared = open_prepared(args.data)
    train, classes = prepared.split("train"), len(prepared.facts.classes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pictures = Pictures(train.images.read(), train.labels, transforms.ToTensor())
    loader = DataLoader(pictures, batch_size=BATCH_SIZE, shuffle=True)
    model = Net(train.images.shape[1:], classes).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    criterion = nn.CrossEntropyLoss()
    for _ in range(args.epochs):
        for inputs, targets in run.batches((x.to(device), y.to(device)) for x, y in loader):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
        run.epoch_done(model)
    run.end(model, criterion)


if __name__ == "__main__":
    main()
