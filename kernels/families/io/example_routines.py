"""The wire format of tf.Example in native code: finds the features of many messages, and decodes their values.

Code is compiled when a process has parsed enough messages for that to be worth its time. Messages that are damaged, or
written in an unusual way (lists that are not packed, unknown fields), are only recognised as such: others parse them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

from ...codegen.llvm_engine import function_address
from ...codegen.routine import Routine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...codegen.routine import LocalVariable, Number

# Tags of the fields: number and wire type.
_FIRST, _SECOND = 0x0A, 0x12
# The fields of Feature by the kinds in a span.
BYTES, FLOATS, INTEGERS = 1, 2, 3
# What is noted of a feature of a message: its kind (0 if it is missing), where its list begins and ends, and the number
# of its values.
SPAN_FIELDS = 4


class _Parser:
    """Code that reads the wire format from address ``at``; ``is_usual`` becomes 0 where something else was found."""

    def __init__(self, code: Routine, at: LocalVariable, is_usual: LocalVariable) -> None:
        self.code = code
        self.at = at
        self.is_usual = is_usual

    def varint(self, end: Number) -> Number:
        """Reads a number before ``end``."""
        code = self.code
        value, shift, more = code.variable(0), code.variable(0), code.variable(1)
        with code.loop(lambda: more.value.differs(0)):
            is_over = (end <= self.at.value) | (shift.value > 63)
            with code.when(is_over):
                self.give_up()
                more.set(0)
            with code.when(more.value.differs(0)):
                byte = code.load(self.at.value, 8)
                self.at.set(self.at.value + 1)
                value.set(value.value | ((byte & 127) << shift.value))
                shift.set(shift.value + 7)
                more.set(byte >> 7)
        return value.value

    def length(self, end: Number) -> Number:
        """Reads a length; returns the address behind so many bytes, at most ``end``."""
        code = self.code
        size = self.varint(end)
        begin = self.at.value
        fits = (size <= end - begin) & (size > -1)
        behind = code.variable(begin)
        with code.when(fits):
            behind.set(begin + size)
        with code.when((size > end - begin) | (size < 0)):
            self.give_up()
        return behind.value

    def give_up(self) -> None:
        """Notes that this is not usual, and so ends the loops."""
        self.is_usual.set(0)


def _scan() -> Routine:
    """Notes in ``spans[feature][message]`` where the features of messages ``first`` to ``last`` are.

    ``bounds`` has where the messages begin, ``key_bounds`` where the keys do; ``unusual`` is set to 1 if one is.
    """
    code = Routine("scan", ["bounds", "first", "last", "total", "key_bounds", "keys", "spans", "unusual"])
    number, is_usual = code.variable(code["first"]), code.variable(1)
    # The next key is expected to be the one after that which was found last.
    expected = code.variable(0)
    at = code.variable(0)
    parser = _Parser(code, at, is_usual)
    with code.loop(lambda: number.value < code["last"]):
        bound = code["bounds"] + number.value * 8
        at.set(code.load(bound))
        end = code.load(bound + 8)
        with code.loop(lambda: (at.value < end) & is_usual.value.differs(0)):
            _expect(parser, end, _FIRST)
            features_end = parser.length(end)
            with code.loop(lambda: (at.value < features_end) & is_usual.value.differs(0)):
                _expect(parser, features_end, _FIRST)
                entry_end = parser.length(features_end)
                _entry(parser, entry_end, number.value, expected)
        number.set(number.value + 1)
    with code.when(is_usual.value.is_equal(0)):
        code.store(code["unusual"], code.variable(1).value)
    return code


def _expect(parser: _Parser, end: Number, tag: int) -> None:
    found = parser.varint(end)
    with parser.code.when(found.differs(tag)):
        parser.give_up()


def _entry(parser: _Parser, end: Number, number: Number, expected: LocalVariable) -> None:
    """Reads a key and a feature, and notes the feature if its key is asked for. The last of several counts."""
    code, at = parser.code, parser.at
    _expect(parser, end, _FIRST)
    key_end = parser.length(end)
    key = at.value
    at.set(key_end)
    _expect(parser, end, _SECOND)
    feature_end = parser.length(end)
    with code.when(feature_end.differs(end)):
        parser.give_up()
    found = _find_key(code, key, key_end, expected)
    with code.when((found > -1) & parser.is_usual.value.differs(0)):
        span = code["spans"] + (found * code["total"] + number) * (8 * SPAN_FIELDS)
        _note_list(parser, feature_end, span)
    at.set(feature_end)


def _find_key(code: Routine, key: Number, key_end: Number, expected: LocalVariable) -> Number:
    """Returns the number of a key, -1 if it is not asked for; ``expected`` becomes the next one."""
    found, tried = code.variable(-1), code.variable(0)
    candidate = code.variable(expected.value)
    with code.loop(lambda: (tried.value < code["keys"]) & found.value.is_equal(-1)):
        with code.when(candidate.value.is_equal(code["keys"])):
            candidate.set(0)
        bound = code["key_bounds"] + candidate.value * 8
        mine, theirs = code.variable(code.load(bound)), code.variable(key)
        differs = code.variable(0)
        with code.when((key_end - key).differs(code.load(bound + 8) - mine.value)):
            differs.set(1)
        with code.loop(lambda: (theirs.value < key_end) & differs.value.is_equal(0)):
            with code.when(code.load(mine.value, 8).differs(code.load(theirs.value, 8))):
                differs.set(1)
            mine.set(mine.value + 1)
            theirs.set(theirs.value + 1)
        with code.when(differs.value.is_equal(0)):
            found.set(candidate.value)
            expected.set(candidate.value + 1)
        candidate.set(candidate.value + 1)
        tried.set(tried.value + 1)
    return found.value


def _note_list(parser: _Parser, end: Number, span: Number) -> None:
    """Notes kind, place and number of values of the feature that ends at ``end``; an empty one is missing."""
    code, at = parser.code, parser.at
    kind, begin, count = code.variable(0), code.variable(at.value), code.variable(0)
    with code.when(at.value < end):
        tag = parser.varint(end)
        kind.set(tag >> 3)
        with code.when((tag & 7).differs(2) | (kind.value < BYTES) | (kind.value > INTEGERS)):
            parser.give_up()
        with code.when(parser.length(end).differs(end)):
            parser.give_up()
        begin.set(at.value)
        with code.when(kind.value.is_equal(BYTES)):
            _count_items(parser, end, count)
        with code.when(kind.value.differs(BYTES) & (at.value < end)):
            # A packed list is one field.
            _expect(parser, end, _FIRST)
            with code.when(parser.length(end).differs(end)):
                parser.give_up()
            begin.set(at.value)
            with code.when(kind.value.is_equal(FLOATS)):
                size = end - at.value
                count.set(size >> 2)
                with code.when((size & 3).differs(0)):
                    parser.give_up()
            with code.when(kind.value.is_equal(INTEGERS)):
                _count_varints(parser, end, count)
    for place, value in enumerate((kind.value, begin.value, end, count.value)):
        code.store(span + 8 * place, value)


def _count_items(parser: _Parser, end: Number, count: LocalVariable) -> None:
    with parser.code.loop(lambda: (parser.at.value < end) & parser.is_usual.value.differs(0)):
        _expect(parser, end, _FIRST)
        parser.at.set(parser.length(end))
        count.set(count.value + 1)


def _count_varints(parser: _Parser, end: Number, count: LocalVariable) -> None:
    with parser.code.loop(lambda: (parser.at.value < end) & parser.is_usual.value.differs(0)):
        parser.varint(end)
        count.set(count.value + 1)


def _fill(name: str, body: Callable[[_Parser, Number, LocalVariable], None]) -> Routine:
    """Decodes the values of one feature of messages ``first`` to ``last``; those of a message go to the address
    ``out`` plus ``size`` times the number of values before it."""
    code = Routine(name, ["spans", "befores", "first", "last", "out", "size"])
    number, is_usual, at = code.variable(code["first"]), code.variable(1), code.variable(0)
    with code.loop(lambda: number.value < code["last"]):
        span = code["spans"] + number.value * (8 * SPAN_FIELDS)
        at.set(code.load(span + 8))
        end = code.load(span + 16)
        target = code.variable(code["out"] + code.load(code["befores"] + number.value * 8) * code["size"])
        with code.when(code.load(span).differs(0)), code.loop(lambda: at.value < end):
            body(_Parser(code, at, is_usual), end, target)
            target.set(target.value + code["size"])
        number.set(number.value + 1)
    return code


def _float(parser: _Parser, end: Number, target: LocalVariable) -> None:
    parser.code.store(target.value, parser.code.load(parser.at.value, 32), 32)
    parser.at.set(parser.at.value + 4)


def _integer(parser: _Parser, end: Number, target: LocalVariable) -> None:
    parser.code.store(target.value, parser.varint(end))


def _item(parser: _Parser, end: Number, target: LocalVariable) -> None:
    """Stores where an item begins and ends."""
    parser.varint(end)
    behind = parser.length(end)
    parser.code.store(target.value, parser.at.value)
    parser.code.store(target.value + 8, behind)
    parser.at.set(behind)


class ExampleRoutines:
    """The compiled functions; ``fill`` by kind."""

    def __init__(self, scan: Callable[..., None], fill: dict[int, Callable[..., None]]) -> None:
        self.scan = scan
        self.fill = fill


@cache
def compiled() -> ExampleRoutines | None:
    """Returns the functions, which are compiled when first asked for; None where they cannot be."""
    scan = _function(_scan(), 8)
    bodies = (
        (BYTES, "fill_items", _item),
        (FLOATS, "fill_floats", _float),
        (INTEGERS, "fill_integers", _integer),
    )
    fill = {kind: _function(_fill(name, body), 6) for kind, name, body in bodies}
    if scan is None or any(function is None for function in fill.values()):
        return None
    return ExampleRoutines(scan, {kind: function for kind, function in fill.items() if function is not None})


def _function(code: Routine, parameters: int) -> Callable[..., Any] | None:
    address = function_address(code.text(), code.name)
    if address is None:
        return None
    types: Sequence[Any] = [ctypes.c_int64] * parameters
    # Calls through ctypes let other threads run.
    return ctypes.CFUNCTYPE(None, *types)(address)
