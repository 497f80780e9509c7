"""What a set's original files are: their checksums, and the sources that publish them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


def algorithm(checksum: str) -> str:
    """The hash function that a hexadecimal checksum is of: SHA-256, or MD5 where its publisher gives no other."""
    return {64: "sha256", 32: "md5"}[len(checksum)]


@dataclass(frozen=True)
class File:
    """One original file.

    Attributes:
        name: as it is published, but for the .gz of a file that is not `packed`.
        size: in bytes.
        checksum: SHA-256 or MD5, in hexadecimal.
        packed: whether size and checksum are those of the file as it is published: an archive or a compressed file, of
            whose content no checksum is known. Otherwise they are of the uncompressed file.
    """

    name: str
    size: int
    checksum: str
    packed: bool = False


@dataclass(frozen=True)
class Folder:
    """An address under which each file is published as NAME.gz or NAME; a packed one as NAME."""

    address: str


@dataclass(frozen=True)
class Archive:
    """The address of one archive with all files; its size in bytes and its checksum."""

    address: str
    size: int
    checksum: str


@dataclass(frozen=True)
class DebianPackage:
    """A Debian or Ubuntu package that contains the files, each as NAME or NAME.gz."""

    name: str


@dataclass(frozen=True)
class Installed:
    """A file inside an installed Python package, for a set of one file."""

    package: str
    path: str


Source = Folder | Archive | DebianPackage | Installed


@dataclass(frozen=True)
class Originals:
    """The files of a set and where they are published.

    Attributes:
        name: the set's name, for messages and for its folder in the cache.
        files: all of them.
        sources: in the order in which they are tried.
        rejected: file names that show that a copy is the wrong version of the set, each with the reason.
        inside: names and sizes in bytes of the files that are read, where those are inside of packed ones.
    """

    name: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    rejected: Mapping[str, str] = field(default_factory=dict)
    inside: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files that are read, in the order in which they are listed."""
        return tuple(self.inside) or tuple(file.name for file in self.files)

    def file(self, name: str) -> File:
        """One of the files, by name."""
        return next(file for file in self.files if file.name == name)
