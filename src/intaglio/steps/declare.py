"""How a step's signature says what each option is: a file that it reads, a file that it writes, or a plain value."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Reads:
    """An option that names a file, or with `folder` a folder, to read; `text` says what it is."""

    text: str
    folder: bool = False


@dataclass(frozen=True)
class Writes:
    """An option that names a file to write; `text` says what it is."""

    text: str


@dataclass(frozen=True)
class Option:
    """A parameter of a step's or command's `run`, as it is annotated: `Annotated[kind, mark]`."""

    parameter: inspect.Parameter
    kind: Any
    mark: Reads | Writes | str

    @property
    def text(self) -> str:
        """What the option is, for `--help`."""
        return self.mark if isinstance(self.mark, str) else self.mark.text


def options(run: Callable[..., None]) -> Iterator[Option]:
    """The options of a `run`, in its order."""
    hints = get_type_hints(run, include_extras=True)
    for parameter in inspect.signature(run).parameters.values():
        hint = hints[parameter.name]
        yield Option(parameter, hint.__origin__, hint.__metadata__[0])
