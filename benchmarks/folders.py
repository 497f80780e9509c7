"""A copy of CIFAR-10 as picture files to a prepared file: `python benchmarks/folders.py COPY OUT PARAMS [--again]`.

The copy is a folder or a zip of train/CLASS/*.jpg and test/CLASS/*.jpg (or .png). It is for measuring only: such copies
are compressed again, so the catalogue has no checksum of them, and results differ from those on the original. With
--again each image is compressed once more, which shows how much compression costs.
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from intaglio.data import store
from intaglio.data.catalogue import CATALOG
from intaglio.data.images import Selected
from intaglio.data.split import ByNumber, Official, split
from intaglio.params.data import KnownSet, Split
from intaglio.params.reader import Params
from intaglio.params.seed import Seed

ENDINGS = (".jpg", ".jpeg", ".png")
QUALITY = 75  # Pillow's default, with which colours have half the resolution
MOVED = 4  # pixels, half a block: the same blocks would lose next to nothing the second time


def files(copy: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Path and content of each picture file, in the order of their paths."""
    if copy.is_dir():
        for path in sorted(path for path in copy.rglob("*") if path.suffix in ENDINGS):
            yield PurePosixPath(path.relative_to(copy).as_posix()), path.read_bytes()
    else:
        with zipfile.ZipFile(copy) as archive:
            for name in sorted(name for name in archive.namelist() if name.endswith(ENDINGS)):
                yield PurePosixPath(name), archive.read(name)


def read(copy: Path, classes: tuple[str, ...], *, again: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """All images N×H×W×C, those for training first, their labels, and the number of the first test image."""
    pictures: dict[str, list[tuple[np.ndarray, int]]] = {"train": [], "test": []}
    for path, content in files(copy):
        part, name = path.parts[-3:-1] if len(path.parts) > 2 else ("", "")
        if part not in pictures or name not in classes:
            sys.exit(f"{copy}: {path} is not train/CLASS/FILE or test/CLASS/FILE with a class of CIFAR-10")
        image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        pictures[part].append((compressed(image) if again else image, classes.index(name)))
    if not all(pictures.values()):
        sys.exit(f"{copy}: holds no train/CLASS/*.jpg or no test/CLASS/*.jpg")
    images, labels = zip(*pictures["train"], *pictures["test"], strict=True)
    return np.stack(images), np.array(labels, np.int64), len(pictures["train"])


def compressed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image H×W×C after one more compression as JPEG, the borders of its blocks elsewhere."""
    framed, file = np.pad(image, ((MOVED, MOVED), (MOVED, MOVED), (0, 0)), mode="reflect"), io.BytesIO()
    Image.fromarray(framed).save(file, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(file))[MOVED:-MOVED, MOVED:-MOVED]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("copy", type=Path, help="a folder or a zip")
    parser.add_argument("output", type=Path, help="the prepared file")
    parser.add_argument("params", type=Path, help="the settings, for their seed")
    parser.add_argument("--again", action="store_true", help="compress each image once more as JPEG")
    return parser.parse_args()


def main() -> None:
    """Read, divide, write."""
    args = options()
    seed: int = Params(args.params).get("seed", Seed)
    entry = CATALOG["cifar10"]
    images, labels, official_test = read(args.copy, entry.classes, again=args.again)
    shares = Split(validation=0.05, test="official")
    row = KnownSet(set="cifar10", source=None, per_class="all", split=shares)
    rows = split(labels, entry.classes, Official(test=np.arange(official_test, len(labels))), row, seed, ByNumber())
    chosen: dict[store.SplitName, NDArray[np.int64]] = {
        "train": rows.train,
        "validation": rows.validation,
        "test": rows.test,
    }
    splits = {name: store.Split(Selected((images,), part), labels[part], part) for name, part in chosen.items()}
    mean, std = store.moments(splits["train"].images)
    store.write(args.output, store.Facts("cifar10", entry.classes, entry.flip, mean, std), splits)


if __name__ == "__main__":
    main()
