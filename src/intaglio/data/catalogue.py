"""The sets that are known: their files with checksums, their classes, and where their bytes come from.

Adding a set: an entry here and its name in `intaglio.params.data.SetName`; see docs/data.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from intaglio.data import decode
from intaglio.data.decode import Decoded, Decoder
from intaglio.errors import UserError
from intaglio.fetching.originals import Archive, DebianPackage, File, Folder, Installed, Originals


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
        names = [file.name for file in self.originals.files]
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
        originals=Originals(
            name="fashion_mnist",
            files=(
                File(
                    "train-images-idx3-ubyte",
                    47_040_016,
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                ),
                File(
                    "train-labels-idx1-ubyte",
                    60_008,
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                ),
                File(
                    "t10k-images-idx3-ubyte",
                    7_840_016,
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                ),
                File(
                    "t10k-labels-idx1-ubyte",
                    10_008,
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
            ),
            sources=(
                Folder("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
                DebianPackage("dataset-fashion-mnist"),
            ),
        ),
    ),
    Entry(
        decoder=decode.digits_csv,
        shape=(8, 8, 1),
        classes=tuple("0123456789"),
        flip=False,
        official_test=False,
        originals=Originals(
            name="digits",
            files=(File("digits.csv", 264_712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"),),
            sources=(Installed("sklearn", "datasets/data/digits.csv.gz"),),
        ),
    ),
    Entry(
        decoder=decode.cifar,
        shape=(32, 32, 3),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        flip=True,
        official_test=True,
        originals=Originals(
            name="cifar10",
            files=(
                File(
                    "data_batch_1.bin", 30_730_000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"
                ),
                File(
                    "data_batch_2.bin", 30_730_000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"
                ),
                File(
                    "data_batch_3.bin", 30_730_000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"
                ),
                File(
                    "data_batch_4.bin", 30_730_000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"
                ),
                File(
                    "data_batch_5.bin", 30_730_000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"
                ),
                File("test_batch.bin", 30_730_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
            ),
            sources=(
                Archive(
                    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ),
            ),
            rejected={
                "data_batch_1": "is the Python version of CIFAR-10, whose pickle files can run code when read; "
                "use the binary version, cifar-10-binary.tar.gz",
            },
        ),
    ),
)

CATALOG: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
