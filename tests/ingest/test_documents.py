"""Concatenated JSON in pieces, wherever the stream is cut into chunks."""

import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from afscope.ingest import documents as module
from afscope.ingest.documents import Part, Piece, documents

WORDS = ['}{"\\', "a\nb", "[", "]", "\\\\", '"items": [', 1, None, True, "ü"]


def split(text: str | bytes) -> list[Piece]:
    return list(documents(io.BytesIO(text.encode() if isinstance(text, str) else text)))


@pytest.fixture(params=[1, 3, 61, 1 << 18])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "_CHUNK", request.param)
    return int(request.param)


def value(dice: random.Random, depth: int = 0) -> Any:
    if depth > 3 or dice.random() < 0.4:
        return dice.choice(WORDS)
    if dice.random() < 0.5:
        return {f"{dice.choice(WORDS)}{n}": value(dice, depth + 1) for n in range(dice.randint(0, 4))}
    return [value(dice, depth + 1) for _ in range(dice.randint(0, 4))]


def document(dice: random.Random) -> Any:
    items = [{"spec": {"items": [{"x": value(dice)}]}} for _ in range(dice.randint(0, 4))]
    return dice.choice([{"apiVersion": "v1", "items": items, "kind": "List"}, items, {"spec": {"items": items}}])


def rebuilt(pieces: list[Piece]) -> Iterator[Any]:
    items: list[Any] = []
    for piece in pieces:
        assert piece.part is not Part.DAMAGE, piece
        read = json.loads(piece.raw)
        if piece.part is Part.ITEM:
            items.append(read)
        elif piece.part is Part.LIST:
            assert (read if isinstance(read, list) else read["items"]) == []
            yield items if isinstance(read, list) else {**read, "items": items}
            items = []
        else:
            yield read


@pytest.mark.parametrize("seed", range(25))
def test_whatever_is_written_comes_out_again(chunk: int, seed: int) -> None:
    dice = random.Random(seed)
    wanted = [document(dice) for _ in range(4)]
    indent, between = dice.choice([None, 0, 4]), dice.choice(["", "\n", "\r\n"])
    text = between.join(json.dumps(one, indent=indent) for one in wanted)
    pieces = split(text)
    assert list(rebuilt(pieces)) == wanted
    lines = text.split("\n")
    for piece in pieces:
        begins = piece.raw.decode().split("\n")[0]
        assert (begins[0] if piece.part is Part.LIST else begins) in lines[piece.line - 1]


def test_objects_deeper_than_the_short_cut_are_split_as_well(chunk: int) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = {"a": [deep]}
    assert list(rebuilt(split(json.dumps(deep) * 2))) == [deep, deep]


def test_damage_costs_the_document_that_it_is_in(chunk: int) -> None:
    text = '{"a": 1}\n{"b": {"c": 2\n{"d": "cut off\n{"e": 5}\nError from server\n{"f": 6}\n{"g": [1,'
    assert [(p.part.value, p.line) for p in split(text)] == [
        ("document", 1), ("damage", 2), ("damage", 3), ("document", 4), ("damage", 5), ("document", 6), ("damage", 7),
    ]  # fmt: skip


def test_a_list_is_never_held_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENT", 1 << 19)
    item = json.dumps({"kind": "Pod", "pad": "x" * 1000}).encode()
    text = b'{"items": [' + b",".join([item] * 4000) + b"]}"
    assert [piece.part for piece in split(text)] == [Part.ITEM] * 4000 + [Part.LIST]


def test_what_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENT", 1 << 19)
    pieces = split(b'{"a": "' + b"x" * (1 << 20))
    assert pieces
    assert all(piece.part is Part.DAMAGE for piece in pieces)
