"""The one reader of YAML: of params.yaml, dvc.yaml and dvc.lock, today's and those of old revisions.

It gives the values of YAML 1.2 as ruamel.yaml and so DVC gives them: `off` is a text, and `1e-3` a number. They are of
JSON's types: mappings with text as keys, lists, texts, numbers, true, false and null. The rest of YAML is an
error of one line: tags, dates, merge keys, keys that are not text, and what is too deep or too large. An alias counts
as all that it stands for.

The file is read as a stream of libyaml's events, which takes a fortieth of the time that ruamel.yaml takes. Nothing is
built before its depth and size are known: loaders that recurse in C end the process on 100,000 brackets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode

from intaglio.errors import UserError, quote

# Files of this project have some 1,000 values in 20 kB, five levels deep.
LARGEST = 10 * 2**20  # bytes
DEEPEST = 50
MOST_VALUES = 200_000  # with those that aliases stand for
LONGEST_NUMBER = 100  # characters
# Whole numbers that fit 64 bits: larger ones are no setting, and Python prints none of 5,000 digits.
LARGEST_NUMBER = 2**63
# `seed:0` is a text and no key: libyaml fails only at the next line, and with another reason.
NO_BLANK = re.compile(r"\s*(?:- )?([\w-]+):(?=[\w.+-])(\S.*)")
# libyaml takes some of these for the end of a line where ruamel.yaml does not; none of them belongs in a setting.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")

_RUAMEL = YAML(typ="safe", pure=True)


class _Invalid(Exception):
    """What is wrong in the text."""

    def __init__(self, line: int, problem: str, fix: str = "correct it") -> None:
        super().__init__(problem)
        self.line, self.problem, self.fix = line, problem, fix


@dataclass
class _Value:
    """A value, and what it takes to write it out.

    Attributes:
        count: of the values that it consists of.
        height: of the mappings and lists inside one another; 0 for a single value.
    """

    value: Any
    count: int = 1
    height: int = 0


@dataclass
class _Open:
    """A mapping or list whose end is still to come, with the key whose value comes next."""

    whole: _Value
    anchor: str | None
    key: str | None = None

    def add(self, inside: _Value, line: int) -> None:
        """Take the next key or value."""
        container = self.whole.value
        self.whole.count += inside.count
        self.whole.height = max(self.whole.height, inside.height + 1)
        if isinstance(container, list):
            container.append(inside.value)
        elif self.key is not None:
            container[self.key] = inside.value
            self.key = None
        else:
            if not isinstance(inside.value, str):
                raise _Invalid(line, "a key that is not text", "write it in quotes")
            if inside.value in container:
                raise _Invalid(line, f"the key {quote(inside.value)} is there twice", "remove one")
            self.key = inside.value


def read_yaml(path: Path) -> Any:
    """The value in a file: see `parse_yaml`.

    Raises:
        UserError: the file is missing, cannot be read, or is an error in `parse_yaml`.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a file; move it away, and restore the file from git")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run this at the top of the repository") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; change its permissions") from error
    return parse_yaml(content, str(path))


def parse_yaml(content: bytes, name: str) -> Any:
    """The value in the content of a file; None when there is none.

    Args:
        content: text in UTF-8.
        name: of the file, for messages.

    Raises:
        UserError: it is not YAML, or has something that is not allowed (see above); one line names the file, the line
            in it, and how to fix it.
    """
    builder = _Builder()
    try:
        for event, line in _events(_text(content)):
            builder.take(event, line)
    except _Invalid as error:
        raise UserError(f"{name}: not valid YAML: line {error.line}: {error.problem}; {error.fix}") from error
    return builder.result


def _text(content: bytes) -> str:
    if len(content) > LARGEST:
        line = content[:LARGEST].count(b"\n") + 1
        raise _Invalid(line, f"the file has more than {LARGEST >> 20} MiB", "restore it from git")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Invalid(line, f"the byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8") from error
    # ruamel.yaml takes tabs in other places than libyaml does.
    if found := CONTROL.search(text) or re.search("\t", text):
        fix = "write spaces" if found[0] == "\t" else "remove it"
        raise _Invalid(text.count("\n", 0, found.start()) + 1, f"the character {found[0]!a}", fix)
    return text


class _Builder:
    """The value of one document, from its events."""

    def __init__(self) -> None:
        self.anchors: dict[str, _Value | None] = {}
        self.stack: list[_Open] = []
        self.count = 0
        self.result: Any = None

    def take(self, event: Any, line: int) -> None:
        """Go on with the next event."""
        match event:
            case yaml.DocumentStartEvent():
                if self.count or event.version or event.tags:
                    raise _Invalid(line, "a second document or a directive", "remove it")
            case yaml.CollectionStartEvent():
                _check_tag(event, line)
                container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self.stack.append(_Open(_Value(container, height=1), event.anchor))
                self._limit(1, 0, line)
                self._name(event.anchor, None)  # until its end, so that it cannot contain itself
            case yaml.CollectionEndEvent():
                ended = self.stack.pop()
                self._add(ended.whole, ended.anchor, line)
            case yaml.ScalarEvent():
                _check_tag(event, line)
                self._limit(1, 0, line)
                self._add(_Value(_single(event, line)), event.anchor, line)
            case yaml.AliasEvent():
                value = self._aliased(event.anchor, line)
                self._limit(value.count, value.height, line)
                self._add(value, None, line)

    def _limit(self, count: int, height: int, line: int) -> None:
        """Count values before they are added."""
        self.count += count
        if self.count > MOST_VALUES:
            raise _Invalid(line, f"more than {MOST_VALUES:,} values", "restore it from git")
        if len(self.stack) + height > DEEPEST:
            raise _Invalid(line, f"more than {DEEPEST} levels of mappings and lists", "restore it from git")

    def _add(self, value: _Value, anchor: str | None, line: int) -> None:
        self._name(anchor, value)
        if self.stack:
            self.stack[-1].add(value, line)
        else:
            self.result = value.value

    def _name(self, anchor: str | None, value: _Value | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = value

    def _aliased(self, anchor: str, line: int) -> _Value:
        value = self.anchors.get(anchor)
        if value is None:
            raise _Invalid(line, f"the alias *{quote(anchor)} stands for nothing before it, or for itself")
        return value


def _events(text: str) -> Iterator[tuple[Any, int]]:
    """libyaml's events, each with its line."""
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            yield event, event.start_mark.line + 1
    except yaml.MarkedYAMLError as error:
        mark, last = error.problem_mark, text.rstrip().count("\n") + 1
        line = min(mark.line + 1, last) if mark else 1  # libyaml sees the end of a file in a line after it
        lines = text.splitlines()
        began = error.context_mark.line + 1 if error.context_mark else line
        for number in (began, line, line - 1):
            if 0 < number <= len(lines) and (found := NO_BLANK.fullmatch(lines[number - 1])):
                fix = f"write `{quote(f'{found[1]}: {found[2]}')}`"
                raise _Invalid(number, "there is no blank after the colon", fix) from error
        raise _Invalid(line, quote(error.problem or str(error))) from error
    except yaml.YAMLError as error:
        raise _Invalid(1, quote(str(error))) from error


def _check_tag(event: Any, line: int) -> None:
    if event.tag is not None:
        raise _Invalid(line, f"the tag {quote(event.tag)}", "remove it")


def _single(event: Any, line: int) -> Any:
    """The text, number, truth value or null that a scalar stands for."""
    text: str = event.value
    if found := CONTROL.search(text):
        raise _Invalid(line, f"the character {found[0]!a}", "remove it")
    if not event.implicit[0]:
        return text  # in quotes
    try:
        return _typed(text)
    except ValueError as error:
        raise _Invalid(line, f"{quote(text)} is {error}", "correct it, or write it in quotes if it is text") from error


@lru_cache(maxsize=4096)
def _typed(text: str) -> Any:
    """A scalar without quotes, by ruamel.yaml's rules.

    Raises:
        ValueError: it is of a type that JSON does not have, or a number too large.
    """
    kind = str(_RUAMEL.resolver.resolve(ScalarNode, text, (True, False))).rpartition(":")[2]
    match kind:
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float":
            return _number(text, kind)
        case "timestamp":
            raise ValueError("a date")
        case _:
            raise ValueError("a merge key or default key")


def _number(text: str, kind: str) -> int | float:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number too long")
    node = ScalarNode(f"tag:yaml.org,2002:{kind}", text)
    try:
        number: int | float = getattr(_RUAMEL.constructor, f"construct_yaml_{kind}")(node)
    except (ValueError, IndexError) as error:
        raise ValueError("not a number") from error
    if isinstance(number, int) and abs(number) >= LARGEST_NUMBER:
        raise ValueError("a number too large")
    return number
