"""The known sets of images of one size: their files, their format and their classes.

Adding a set: an entry here, its files in `intaglio.data.published`, and its name in `intaglio.params.data.SetName`; see
docs/data.md. Sets of photographs are in `intaglio.data.known_photographs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from intaglio.data import class_names, decode, published
from intaglio.data.decode import Decoded, Decoder
from intaglio.errors import UserError
from intaglio.fetching.originals import Originals


@dataclass(frozen=True)
class Entry:
    """What the workflow knows of a set of images.

    Attributes:
        originals: its files and where they are published.
        decoder: the function that reads their format.
        shape: H×W×C of an image.
        classes: names in the order of the labels.
        flip: whether a mirrored image still shows the same class.
        official_test: whether the set's authors name its test images: those of the last files.
    """

    originals: Originals
    decoder: Decoder
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    flip: bool
    official_test: bool

    @property
    def name(self) -> str:
        """The set's name."""
        return self.originals.name

    def decode(self, files: Mapping[str, memoryview], path: Path) -> Decoded:
        """Decode the contents of the set's files; `path` is where they were read from, for error texts.

        Raises:
            UserError: a file is missing or does not have its format, labels do not fit images, or a label is not a
                class.
        """
        names = self.originals.names
        if missing := [name for name in names if name not in files]:
            raise UserError(f"{path}: {missing[0]} is missing; run `intaglio download` again")
        return decode.join(
            self.decoder(names, files, path),
            path,
            name=self.name,
            classes=self.classes,
            flip=self.flip,
            official_test=self.official_test,
        )


_DIGITS = tuple("0123456789")

_ENTRIES = (
    Entry(
        decoder=decode.idx,
        shape=(28, 28, 1),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        flip=True,
        official_test=True,
        originals=published.FASHION_MNIST,
    ),
    Entry(
        decoder=decode.digits_csv,
        shape=(8, 8, 1),
        classes=_DIGITS,
        flip=False,
        official_test=False,
        originals=published.DIGITS,
    ),
    Entry(
        decoder=decode.cifar10,
        shape=(32, 32, 3),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        flip=True,
        official_test=True,
        originals=published.CIFAR10,
    ),
    Entry(
        decoder=decode.cifar100,
        shape=(32, 32, 3),
        classes=class_names.CIFAR100,
        flip=True,
        official_test=True,
        originals=published.CIFAR100,
    ),
    Entry(
        decoder=decode.idx,
        shape=(28, 28, 1),
        classes=_DIGITS,
        flip=False,
        official_test=True,
        originals=published.MNIST,
    ),
    Entry(
        decoder=decode.idx,
        shape=(28, 28, 1),
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        flip=False,
        official_test=True,
        originals=published.KMNIST,
    ),
    Entry(
        # The split "balanced": digits and letters, where small letters that look like capital ones are one class.
        decoder=decode.idx_by_columns,
        shape=(28, 28, 1),
        classes=tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        flip=False,
        official_test=True,
        originals=published.EMNIST,
    ),
    Entry(
        decoder=decode.svhn,
        shape=(32, 32, 3),
        classes=_DIGITS,
        flip=False,
        official_test=True,
        originals=published.SVHN,
    ),
    Entry(
        decoder=decode.stl,
        shape=(96, 96, 3),
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        flip=True,
        official_test=True,
        originals=published.STL10,
    ),
)

CATALOG: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
