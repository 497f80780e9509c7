"""The settings that gave the networks, for the page: each section once, with what its keys mean."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from intaglio.params.problems import DISCRIMINATORS
from intaglio.params.rows import NETWORKS
from intaglio.params.schema import Everything
from intaglio.report.networks import Network

# The tables first, then the sections that all networks share.
TABLES = (*NETWORKS, "data", "models", "recipes")


@dataclass(frozen=True)
class Setting:
    """A dotted key inside its section (empty for a section that is one value), its value, and what it means."""

    key: str
    value: str
    meaning: str


@dataclass(frozen=True)
class SectionView:
    """A section or row of params.yaml (`recipes.full`); `users` are its networks, empty where that is plain."""

    name: str
    users: list[str]
    settings: list[Setting]


def sections(networks: Sequence[Network]) -> list[SectionView]:
    """All sections that the networks used, each value once."""
    users: dict[tuple[str, str], list[str]] = {}
    values: dict[tuple[str, str], Any] = {}
    for network in networks:
        for name, value in network.record.settings.items():
            key = (name, json.dumps(value, sort_keys=True))
            users.setdefault(key, []).append(network.name)
            values[key] = value
    ordered = sorted(values, key=lambda key: (_place(key[0]), key))
    return [
        SectionView(
            name=name,
            users=_users(name, users[name, text], len(networks)),
            settings=list(_settings(values[name, text], _type_of(name), meaning=_plain(_field_of(name)))),
        )
        for name, text in ordered
    ]


def _users(name: str, users: list[str], count: int) -> list[str]:
    """The users of a section where its name does not say who they are: a network's own row does."""
    own = [f"{table}.{users[0]}" for table in NETWORKS]
    return [] if len(users) == count or (len(users) == 1 and name in own) else users


def _place(name: str) -> int:
    table = name.partition(".")[0]
    return TABLES.index(table) if table in TABLES else len(TABLES)


def _settings(value: Any, kind: Any, key: str = "", meaning: str = "") -> Iterator[Setting]:
    """Dotted keys with their values as text, sorted, so that the order of the keys in the file changes nothing."""
    if not isinstance(value, Mapping):
        yield Setting(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), meaning)
        return
    model = _model(kind, value)
    for name in sorted(value, key=str):
        field = model.model_fields.get(name) if model else None
        inner = field.annotation if field else None
        yield from _settings(value[name], inner, f"{key}.{name}".lstrip("."), _plain(field))


def _plain(field: FieldInfo | None) -> str:
    """What the schema says of a key; code marks are for editors."""
    return (field.description or "").replace("`", "") if field else ""


def _type_of(name: str) -> Any:
    """The type of a section, or of a row of a table; None for one that is not known."""
    field = _field_of(name)
    if field is None:
        return None
    _, _, row = name.partition(".")
    return get_args(field.annotation)[1] if row and get_origin(field.annotation) is dict else field.annotation


def _field_of(name: str) -> FieldInfo | None:
    """The schema's field of a section, or of the table of a row."""
    return Everything.model_fields.get(name.partition(".")[0])


def _model(kind: Any, value: Mapping[str, Any]) -> type[BaseModel] | None:
    """The model of a mapping; where there are several, the one with its `name` or `set`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    models = [model for part in get_args(kind) if (model := _model(part, value)) is not None]
    for model in models:
        for column in DISCRIMINATORS:
            field = model.model_fields.get(column)
            if field is not None and (field.annotation is str or value.get(column) in get_args(field.annotation)):
                return model
    return models[0] if models else None
