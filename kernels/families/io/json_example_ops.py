"""DecodeJSONExample: tf.Example messages in protobuf's JSON form as serialized ones (decode_json_example_op.cc in
TensorFlow)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import Parse, ParseError

from ....graphfmt.errors import invalid
from ....graphfmt.proto import example_pb2
from ....graphfmt.proto.varints import varint_bytes
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import map_strings
from ...numeric.wire_messages import bytes_field, float_field

if TYPE_CHECKING:
    from collections.abc import Callable

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

decode = op("DecodeJSONExample(json_examples: string) -> (binary_examples: string)", shape=shapes.like_input)


@decode.kernel
def _(xp: Any, json_examples: Any) -> Any:
    return map_strings(_converted, json_examples)


def _converted(text: bytes) -> bytes:
    """Returns a message as TensorFlow writes it: in the order of the text, lists not packed."""
    try:
        # Checks names and types.
        Parse(text, example_pb2.Example())
        example = json.loads(text)
    except (ParseError, ValueError, RecursionError) as error:
        raise invalid(f"Error while parsing JSON: {str(error)[:200]}") from error
    if "features" not in example or example["features"] is None:
        return b""
    return bytes_field(1, _features(example["features"]))


def _features(features: dict[str, Any]) -> bytes:
    named = features.get("feature") or {}
    entries = (bytes_field(1, key.encode()) + bytes_field(2, _feature(value)) for key, value in named.items())
    return b"".join(bytes_field(1, entry) for entry in entries)


def _feature(feature: dict[str, Any]) -> bytes:
    for name, value in feature.items():
        if value is not None:
            number, encode = _LISTS[name]
            return bytes_field(number, b"".join(map(encode, value.get("value") or ())))
    return b""


def _bytes_item(value: str) -> bytes:
    padded = value + "=" * (-len(value) % 4)
    return bytes_field(1, base64.b64decode(padded.translate({ord("-"): "+", ord("_"): "/"})))


def _float_item(value: Any) -> bytes:
    return float_field(1, float(value))


def _integer_item(value: Any) -> bytes:
    return b"\x08" + varint_bytes(int(value) % (1 << 64))


_LISTS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "bytesList": (1, _bytes_item), "bytes_list": (1, _bytes_item), "floatList": (2, _float_item),
    "float_list": (2, _float_item), "int64List": (3, _integer_item), "int64_list": (3, _integer_item),
}  # fmt: skip
