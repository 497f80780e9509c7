"""The known sets of photographs: their files with checksums, their classes, and which image is in which split.

Adding a set: an entry here and its name in `intaglio.params.data`; see docs/data.md. The checksums are those that
TensorFlow Datasets (https://github.com/tensorflow/datasets) states for the publishers' addresses.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from intaglio.data import class_names, photograph_lists
from intaglio.data.layout import Placed
from intaglio.data.photograph_lists import Layout
from intaglio.errors import UserError
from intaglio.fetching.collection import Items
from intaglio.fetching.originals import File, Folder, Originals


@dataclass(frozen=True)
class PhotographEntry:
    """What the workflow knows of a set of photographs.

    Attributes:
        originals: its files as they are published.
        classes: names in the order of the labels.
        layout: the function that finds the images with their classes and splits among the files.
        images: their number by split; the split is empty where the set's authors did not divide it.
    """

    originals: Originals
    classes: tuple[str, ...]
    layout: Layout
    images: Mapping[str, int]

    def place(self, items: Items, what: str, *, complete: bool) -> tuple[list[Placed], Items]:
        """The images among the files of a copy, sorted by path, and their content by path.

        Args:
            items: the files.
            what: name of the copy in error texts.
            complete: whether it has to have as many images as were published.

        Raises:
            UserError: a file is missing or does not have its format, or there are more or fewer images.
        """
        placed, contents = self.layout(items, self.classes, what)
        found = Counter(each.split for each in placed)
        for split in sorted({*self.images, *found}):
            published = self.images.get(split, 0)
            if complete and found[split] != published:
                raise UserError(
                    f"{what}: has {found[split]} images{split and f' for {split}'}, and {self.originals.name} "
                    f"{published}; give a complete copy, or write set: folder to use a part of it"
                )
        return placed, contents


def _packed(name: str, size: int, checksum: str) -> File:
    return File(name, size, checksum, packed=True)


_ENTRIES = (
    PhotographEntry(
        layout=photograph_lists.flowers,
        classes=class_names.FLOWERS102,
        images={"train": 1020, "validation": 1020, "test": 6149},
        originals=Originals(
            name="flowers102",
            files=(
                _packed(
                    "102flowers.tgz", 344_862_509, "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246"
                ),
                _packed("imagelabels.mat", 502, "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"),
                _packed("setid.mat", 14_989, "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"),
            ),
            sources=(Folder("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"),),
        ),
    ),
    PhotographEntry(
        layout=photograph_lists.pets,
        classes=class_names.OXFORD_PETS,
        images={"train": 3680, "test": 3669},
        originals=Originals(
            name="oxford_pets",
            files=(
                _packed(
                    "images.tar.gz", 791_918_971, "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d"
                ),
                _packed(
                    "annotations.tar.gz", 19_173_078, "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91"
                ),
            ),
            sources=(Folder("https://www.robots.ox.ac.uk/~vgg/data/pets/data/"),),
        ),
    ),
    PhotographEntry(
        layout=photograph_lists.food,
        classes=class_names.FOOD101,
        images={"train": 75_750, "test": 25_250},
        originals=Originals(
            name="food101",
            files=(
                _packed(
                    "food-101.tar.gz", 4_996_278_331, "d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4"
                ),
            ),
            sources=(Folder("http://data.vision.ee.ethz.ch/cvl/"),),
        ),
    ),
    PhotographEntry(
        # The publishers' copy whose shorter sides have 320 pixels.
        layout=photograph_lists.imagenette,
        classes=tuple(class_names.IMAGENETTE.values()),
        images={"train": 9469, "test": 3925},
        originals=Originals(
            name="imagenette",
            files=(
                _packed(
                    "imagenette2-320.tgz",
                    341_553_947,
                    "5020a9130cea0348272823cb12d2db7e981c6f2afa3dce71ccd5b8013005c55e",
                ),
            ),
            sources=(Folder("https://s3.amazonaws.com/fast-ai-imageclas/"),),
        ),
    ),
    PhotographEntry(
        layout=photograph_lists.class_folders,
        classes=(
            "AnnualCrop",
            "Forest",
            "HerbaceousVegetation",
            "Highway",
            "Industrial",
            "Pasture",
            "PermanentCrop",
            "Residential",
            "River",
            "SeaLake",
        ),
        images={"": 27_000},
        originals=Originals(
            name="eurosat",
            files=(
                _packed("EuroSAT.zip", 94_280_567, "8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd"),
            ),
            sources=(
                Folder("https://madm.dfki.de/files/sentinel/"),
                Folder(
                    "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/"
                ),
            ),
        ),
    ),
)

PHOTOGRAPHS: Mapping[str, PhotographEntry] = MappingProxyType({entry.originals.name: entry for entry in _ENTRIES})
