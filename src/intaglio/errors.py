"""The one exception that a user is meant to read."""


class UserError(Exception):
    """A mistake that the user can mend: its text is one line that names the file, the key or row, and the mend.

    The command line prints it without a traceback and exits with code 2.
    """
