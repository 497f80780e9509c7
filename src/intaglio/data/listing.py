"""`workflow/sources/DATA.json`: what a row of `data` takes, small enough for git, and different when an image is.

Both workflow tools take it for what `download` depends on. For your own images it has the classes, and for each class
folder the number of files and a hash of their names and contents.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intaglio.data.layout import Placed
from intaglio.errors import UserError
from intaglio.files import as_json

SOURCES = Path("workflow/sources")
# What the listing calls images that no folder or column gives a split.
NO_SPLIT = "all"
_HOW_TO_FIX = "run `intaglio sync` to make it again"


class Group(BaseModel):
    """The images of one class and split: their number, and a hash of their names and contents; none in an archive."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    files: Annotated[int, Field(ge=1)]
    sha256: str | None = None


class Listing(BaseModel):
    """A row's images.

    Attributes:
        set: the row's `set`. A published set has nothing else here, unless it is in a folder that may change.
        images: by split (or `NO_SPLIT`) and class.
        sha256: of names and contents of all images, or of the archive that they are in.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    set: str
    images: dict[str, dict[str, Group]] = {}
    sha256: str | None = None

    @property
    def classes(self) -> list[str]:
        """All classes of all splits, sorted: a class that one split lacks does not shift the labels of another."""
        return sorted({label for groups in self.images.values() for label in groups})

    @property
    def text(self) -> str:
        """The file's content."""
        return as_json(self.model_dump(exclude_none=True, exclude_defaults=True))


def list_images(kind: str, placed: Sequence[Placed], hashes: Mapping[str, str], archive: str | None) -> Listing:
    """The listing of some images.

    Args:
        kind: the row's `set`.
        placed: the images.
        hashes: SHA-256 by path; none for an archive.
        archive: SHA-256 of the archive that they are in, if they are in one.
    """
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in placed:
        groups[each.split or NO_SPLIT, each.label].append(each.path)
    images: dict[str, dict[str, Group]] = {}
    everything = hashlib.sha256()
    for (split, label), paths in sorted(groups.items()):
        digest = None
        if archive is None:
            digest = hashlib.sha256("".join(f"{path}\0{hashes[path]}\n" for path in sorted(paths)).encode()).hexdigest()
            everything.update(f"{split}\0{label}\0{digest}\n".encode())
        images.setdefault(split, {})[label] = Group(files=len(paths), sha256=digest and digest[:16])
    return Listing(set=kind, images=images, sha256=archive or everything.hexdigest())


def read_listing(path: Path) -> Listing:
    """Read a listing.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return Listing.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {_HOW_TO_FIX}") from error
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        raise UserError(f"{path}: damaged; {_HOW_TO_FIX}") from error
