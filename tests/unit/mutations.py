"""Damage to files: bytes of any file, values of one in a format that is known."""

import json
import random
import re
from typing import Any

HOSTILE = [
    *("0", "-1", "1", "0.0", "-0.5", "1e-300", "1e999", "NaN", "Infinity", ".nan", "-.inf", "1e10", "1000000"),
    *("2147483648", "9223372036854775807", "-9223372036854775809", str(10**400), "1" * 5000),
    *("true", "null", "~", '""', "''", "a b", "[]", "{}", "[[]]", "[" * 3000, '{"a":' * 3000, "[" * 200_000),
    *('"\\ud800"', '"\\u0000"', '"\\u001b[31m"', '"' + "x" * 5000 + '"', '"name"', "\x00", "\xff", "\u2028"),
    *("!!python/object/apply:os.system [touch executed]", "!!int abc", "&a [*a]", "*b", "2020-01-01", "<<: *a"),
    *("? {a: 1}", "---", "%YAML", '"../../executed"', '"/etc/passwd"', "${HOME}", "$(touch executed)"),
]
PIECES = [b"\x00", b"\xff", b"\xff" * 8, b"\x00" * 8, b"\x7f\xff\xff\xff", b"\x80", b"\n", b"'", b'"']
# Twice float32: NaN, minus infinity, the largest there is; and int64 -1.
VALUES = [b"\x00\x00\xc0\x7f" * 2, b"\x00\x00\x80\xff" * 2, b"\xff\xff\x7f\x7f" * 2, b"\xff" * 8]
TOKEN = re.compile(r'"[^"]*"|[\w.+-]+|[\[\]{},:]')


def _place(chance: random.Random, length: int) -> int:
    """A place in content; half of the time near its beginning, where headers are."""
    return chance.randrange(min(length, 64) if chance.random() < 0.3 else length) if length else 0


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, taken out, repeated, moved, or everything after one cut off."""
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        place, length = _place(chance, len(damaged)), chance.choice([1, 1, 4, 8, 100, 1000])
        match chance.randrange(7):
            case 0:
                damaged[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                damaged[place : place + 1] = bytes([damaged[place] ^ (1 << chance.randrange(8))] if damaged else [])
            case 2:
                del damaged[place : place + length]
            case 3:
                other = _place(chance, len(damaged))
                damaged[place:place] = damaged[other : other + length]
            case 4:
                del damaged[place:]
            case 5:
                piece = chance.choice(PIECES)
                damaged[place : place + len(piece)] = piece
            case 6:
                other = _place(chance, len(damaged))
                damaged[place : place + length] = damaged[other : other + length]
    return bytes(damaged)


def damage_text(content: bytes, chance: random.Random) -> bytes:
    """Some values, keys or signs replaced by hostile ones, exchanged, or taken out."""
    text = content.decode(errors="surrogateescape")
    for _ in range(chance.choice([1, 1, 2, 3])):
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            break
        token, other = chance.choice(tokens), chance.choice(tokens)
        new = chance.choice([chance.choice(HOSTILE), chance.choice(HOSTILE), other[0], ""])
        text = text[: token.start()] + new + text[token.end() :]
    return text.encode(errors="surrogateescape") if chance.random() < 0.9 else text.encode("utf-16", "replace")


def damage_either(content: bytes, chance: random.Random) -> bytes:
    """A text's values, or its bytes."""
    return (damage_text if chance.random() < 0.7 else damage_bytes)(content, chance)


def damage_tensors(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file: its header or metadata as text, its numbers, or its bytes."""
    length = int.from_bytes(content[:8], "little")
    header, body = content[8 : 8 + length], bytearray(content[8 + length :])
    match chance.randrange(5):
        case 0 | 1:
            values = json.loads(header)
            key, text = next(iter(values["__metadata__"].items()))
            values["__metadata__"][key] = damage_text(text.encode(), chance).decode(errors="replace")
            header = json.dumps(values).encode()
        case 2:
            header = damage_text(header, chance)
        case 3:
            if body:
                place = chance.randrange(len(body)) // 8 * 8
                body[place : place + 8] = chance.choice(VALUES)
        case 4:
            return damage_bytes(content, chance)
    return len(header).to_bytes(8, "little") + header + bytes(body)


NUMBERS = [0, -1, 1, 2, 7, 255, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)]
NAMES = [
    "",
    "Loop",
    "If",
    "Reshape",
    "Expand",
    "ConstantOfShape",
    "images",
    "logits",
    "x" * 300,
    "\u2028",
    "../executed",
]


def damage_graph(content: bytes, chance: random.Random) -> bytes:
    """An ONNX file: fields of its messages, or its bytes."""
    import onnx

    if chance.random() < 0.4:
        return damage_bytes(content, chance)
    model = onnx.load_model_from_string(content)
    for _ in range(chance.choice([1, 1, 2, 3])):
        fields = list(_fields(model))
        message, field = chance.choice(fields)
        _damage_field(message, field, chance)
    return bytes(model.SerializeToString())


def _fields(message: Any) -> Any:
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for inside in value if field.is_repeated else [value]:
                yield from _fields(inside)


def _damage_field(message: Any, field: Any, chance: random.Random) -> None:
    value = getattr(message, field.name)
    if field.is_repeated and (len(value) == 0 or chance.random() < 0.3):
        del value[: chance.choice([1, len(value)])]
        return
    if field.message_type is not None:
        if field.is_repeated:
            value.add().CopyFrom(chance.choice(list(value)))
        else:
            message.ClearField(field.name)
        return
    match field.type:
        case field.TYPE_STRING:
            new: Any = chance.choice(NAMES)
        case field.TYPE_BYTES:
            new = chance.choice([b"", b"\xff", b"\x00" * 8, b"\x00\x00\xc0\x7f" * 4])
        case field.TYPE_FLOAT | field.TYPE_DOUBLE:
            new = chance.choice([float("nan"), float("inf"), 1e38, -1.0])
        case field.TYPE_ENUM:
            new = chance.choice(field.enum_type.values).number
        case field.TYPE_INT32:
            new = chance.choice([number for number in NUMBERS if -(2**31) <= number < 2**31])
        case _:
            new = chance.choice(NUMBERS)
    if field.is_repeated:
        value[chance.randrange(len(value))] = new
    else:
        setattr(message, field.name, new)
