"""What a set's original files are: their checksums, and the sources that publish them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """One original file, uncompressed: its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Folder:
    """An address under which each file is published as NAME.gz or NAME."""

    address: str


@dataclass(frozen=True)
class Archive:
    """The address of one archive with all files; its size in bytes and its SHA-256."""

    address: str
    size: int
    sha256: str


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
    """

    name: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    rejected: Mapping[str, str] = field(default_factory=dict)

    def file(self, name: str) -> File:
        """One of the files, by name."""
        return next(file for file in self.files if file.name == name)
