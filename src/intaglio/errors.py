"""The exceptions that a user is meant to read."""


class UserError(Exception):
    """A mistake that the user can fix: its text is one line that names the file, the key or row, and how to fix it.

    The command line prints it without a traceback and exits with code 2.
    """


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
