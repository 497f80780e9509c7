"""A file that another step made: its text, and a refusal that says which step makes it anew."""

from dataclasses import dataclass
from pathlib import Path

from intaglio.errors import UserError


@dataclass(frozen=True)
class Input:
    """A file to read, and the step whose output it is."""

    path: Path
    step: str

    def text(self) -> str:
        """The file as UTF-8 text.

        Raises:
            UserError: it is missing, cannot be read, or is not text.
        """
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise self.refusal("no such file") from error
        except OSError as error:
            raise self.refusal(f"cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise self.refusal(f"byte {error.start} is not UTF-8 text") from error

    def refusal(self, problem: str) -> UserError:
        """The error to raise over this file: one line with the problem and the step that mends it."""
        return UserError(f"{self.path}: {problem}; run the step {self.step} again")
