"""The exceptions that a user is meant to read."""

# Characters of a value that a message quotes, and of a whole message.
LONGEST_QUOTE = 200
LONGEST_MESSAGE = 2000


class UserError(Exception):
    """A mistake that the user can fix: its text is one line that names the file, the key or row, and how to fix it.

    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, text: str) -> None:
        """Escape what would end the line or control a terminal: names and values in it may be anything."""
        super().__init__(quote(text, LONGEST_MESSAGE))


class SettingError(UserError):
    """A setting that does not work, found by code that knows neither the settings file nor the row's name.

    `intaglio.params.reader.Params.located` adds both, in one place.

    Attributes:
        key: dotted. Its first part is `recipe`, `model`, `data` or `row` for the rows that the network at hand uses
            (`recipe.optimizer.learning_rate`), or else a section of the file (`compute.device`).
        problem: what is wrong, and how to fix it.
    """

    def __init__(self, key: str, problem: str) -> None:
        """Join key and problem into the text; a file is added where it is known."""
        super().__init__(f"{key}: {problem}")
        self.key, self.problem = key, problem


def quote(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Text from a file, as a message quotes it: on one line, control codes escaped, and shortened."""
    # Cut first: it may be megabytes.
    shown = one_line(text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def one_line(text: str) -> str:
    """Text with everything escaped that would end the line, control a terminal or change the direction of writing."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def counted(count: int, name: str) -> str:
    """1 epoch, 8 epochs."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
