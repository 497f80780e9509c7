"""What the constructor of a class takes."""

import inspect
from inspect import Parameter


def accepted(kind: type) -> frozenset[str]:
    """The names of the parameters of a class's constructor, and of those that it passes the others on to."""
    names: set[str] = set()
    for each in kind.__mro__:
        constructor = vars(each).get("__init__")
        if constructor is None:
            continue
        parameters = list(inspect.signature(constructor).parameters.values())[1:]  # without self
        names |= {
            one.name for one in parameters if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        }
        if all(one.kind is not Parameter.VAR_KEYWORD for one in parameters):
            break
    return frozenset(names)
