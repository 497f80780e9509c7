"""The one reader of params.yaml, for both workflow tools and every step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from pydantic import TypeAdapter, ValidationError

from intaglio.errors import SettingError, UserError, quote
from intaglio.params.problems import describe
from intaglio.params.rows import locate, resolve
from intaglio.params.yaml import read_yaml

Kind = TypeVar("Kind")


class Params:
    """The file as parsed; a part of it is checked when a step takes it."""

    def __init__(self, path: Path) -> None:
        """Parse the file at `path`.

        Raises:
            UserError: the file is missing, is not YAML, or is not a mapping.
        """
        self.path = path
        self.values = read_yaml(path)
        if not isinstance(self.values, dict):
            raise UserError(f"{path}: holds no settings; restore it from git")

    @overload
    def get(self, key: str, kind: type[Kind]) -> Kind: ...

    @overload
    def get(self, key: str, kind: Any) -> Any: ...

    def get(self, key: str, kind: Any) -> Any:
        """The value at a dotted key, checked and typed as `kind` (a pydantic model or an annotated type).

        Raises:
            UserError: the key is missing, or its value does not fit.
        """
        return check(self.path, key, self.raw(key), kind)

    def raw(self, key: str) -> Any:
        """The value at a dotted key, as parsed.

        Raises:
            UserError: there is no such key.
        """
        value, reached = self.values, ""
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                inside = f" in {quote(reached)}" if reached else ""
                raise UserError(f"{self.path}: {quote(key)}: the key {quote(part)} is missing{inside}; add it")
            value, reached = value[part], f"{reached}.{part}".lstrip(".")
        return value

    def canonical(self, keys: Sequence[str]) -> str:
        """The values of some keys as one sorted JSON string: equal for equal settings, however they were written."""
        return canonical({key: self.raw(key) for key in keys})

    def keys_of(self, keys: Sequence[str], name: str | None) -> list[str]:
        """The settings that a step takes for one row: see `rows.resolve`.

        Raises:
            UserError: there is no such network.
        """
        try:
            return resolve(keys, self.values, name)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error

    def located(self, error: SettingError, name: str | None) -> UserError:
        """The error with the file and the full key, for the row that a step works on."""
        try:
            key = locate(error.key, self.values, name)
        except (UserError, KeyError, TypeError):  # a row that the network depends on is wrong, too
            key = error.key
        return UserError(f"{self.path}: {key}: {error.problem}")


def canonical(settings: dict[str, Any]) -> str:
    """Settings as sorted JSON in which 1 and 1.0 are equal, as they are for the schema and for DVC."""
    return json.dumps(_normal(settings), sort_keys=True, ensure_ascii=False)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_normal(inside) for inside in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check(path: Path, key: str, value: Any, kind: Any) -> Any:
    """Check a parsed value against a type.

    Raises:
        UserError: it does not fit; one line says which key is wrong, and how to fix it.
    """
    try:
        return cast(Any, TypeAdapter(kind)).validate_python(value)
    except ValidationError as error:
        raise UserError(f"{path}: {describe(key, value, kind, error)}") from error
