"""The command `intaglio`, and `python -m intaglio`: it starts the command line, unless a module cannot be parsed."""

import sys


def main() -> None:
    """Run the command line; a module with a syntax error, such as a merge's conflict marks, is one line."""
    try:
        from intaglio.cli import main as run

        run()
    except SyntaxError as error:
        line = f"{error.filename}: line {error.lineno}: {error.msg}; correct it (marks of a merge, perhaps)"
        print(f"intaglio: error: {line}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
