"""A metrics file as text, and the error that says how to get a good one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from intaglio.errors import UserError


class Source(Protocol):
    """Where a file's content comes from."""

    def text(self) -> str:
        """The content, decoded as UTF-8.

        Raises:
            UserError: there is none, or it is not text.
        """

    def error(self, problem: str) -> UserError:
        """The error to raise for a problem in the content: one line that names the file and how to fix it."""


@dataclass(frozen=True)
class Input:
    """A file on disk, and the step whose output it is."""

    path: Path
    step: str

    def text(self) -> str:
        """See `Source`."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise self.error("no such file") from error
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise self.error(f"byte {error.start} is not UTF-8 text") from error

    def error(self, problem: str) -> UserError:
        """See `Source`."""
        return UserError(f"{self.path}: {problem}; run the step {self.step} again")


@dataclass(frozen=True)
class Recorded:
    """A file's content at a revision; `name` is the path, with the revision where it is not on disk."""

    content: bytes
    name: str

    def text(self) -> str:
        """See `Source`."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.error(f"byte {error.start} is not UTF-8 text") from error

    def error(self, problem: str) -> UserError:
        """See `Source`."""
        return UserError(f"{self.name}: {problem}; make it again, or choose another revision")
