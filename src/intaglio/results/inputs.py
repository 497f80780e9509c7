"""A file that a step wrote, as text, and the error that says how to get a good one."""

from dataclasses import dataclass
from pathlib import Path

from intaglio.errors import UserError


@dataclass(frozen=True)
class Input:
    """A file, and the step whose output it is."""

    path: Path
    step: str

    def text(self) -> str:
        """The content, decoded as UTF-8.

        Raises:
            UserError: the file is missing, cannot be read, or is not text.
        """
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise self.error("no such file") from error
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise self.error(f"byte {error.start} is not UTF-8 text") from error

    def error(self, problem: str) -> UserError:
        """The error to raise for a problem in the content: one line that names the file and how to fix it."""
        return UserError(f"{self.path}: {problem}; run the step {self.step} again")
