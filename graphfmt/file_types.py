"""Recognises files by their content: TensorFlow's graph messages, and the formats that are mistaken for them.

A name decides nothing: a GraphDef may be called ``saved_model.pb``, a text may end in ``.pb``. The binary messages
are told apart by the field numbers and wire types of their first level (protobuf's encoding documentation states
the form), texts by their first field, everything else by its magic bytes.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Message(Enum):
    """The messages that hold graphs, by their names in TensorFlow."""

    GRAPH = "GraphDef"
    META_GRAPH = "MetaGraphDef"
    SAVED_MODEL = "SavedModel"


class FileType(NamedTuple):
    """The message in a file and its encoding; ``foreign`` describes a file that holds no graph message."""

    message: Message = Message.GRAPH
    is_text: bool = True
    foreign: Foreign | None = None


class Foreign(NamedTuple):
    """A format other than TensorFlow's graph messages: its name in a sentence, and how to get a graph from it."""

    name: str
    hint: str | None = None


class _Field(NamedTuple):
    """One field of a binary message: ``value`` holds the bytes of a length-delimited one."""

    number: int
    wire_type: int
    value: bytes


_EXPORT = "in Python, model.export('DIR') writes a SavedModel, which tfg reads"
_KERAS = Foreign("a Keras model", _EXPORT)
_ONNX = Foreign("an ONNX model", "tfg runs TensorFlow graphs; export the model as a SavedModel instead")
_TFJS = Foreign("a TensorFlow.js model", "convert it back to a SavedModel with tensorflowjs_converter")
_UTF16 = Foreign("a text in UTF-16", "save it as UTF-8")
_HDF5 = b"\x89HDF\r\n\x1a\n"

# Magic bytes at the start of a file.
_MAGIC: tuple[tuple[bytes, Foreign], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        Foreign("a Git LFS pointer, not the file itself", "run git lfs pull in its repository"),
    ),
    (b"\x1f\x8b", Foreign("a gzip archive", "unpack it with gunzip, or with tar -xzf if it is a .tar.gz")),
    (b"BZh", Foreign("a bzip2 archive", "unpack it with bunzip2")),
    (b"\xfd7zXZ\x00", Foreign("an xz archive", "unpack it with unxz")),
    (b"(\xb5/\xfd", Foreign("a Zstandard archive", "unpack it with unzstd")),
    (b"\x93NUMPY", Foreign("a NumPy array", "feed it with --feed NAME=@FILE")),
    (b"\x80\x02}", Foreign("a Python pickle")),
    (b"\x80\x04\x95", Foreign("a Python pickle")),
    (b"\x89PNG", Foreign("a PNG image", "feed it with --feed NAME=@FILE")),
    (b"\xff\xd8\xff", Foreign("a JPEG image", "feed it with --feed NAME=@FILE")),
    (b"%PDF", Foreign("a PDF document")),
    (b"\x7fELF", Foreign("a program")),
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I)
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]\s*[\"\[{\]}0-9]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_SNIFFED = 1 << 16

_BLANKS = rb"(?:\xef\xbb\xbf)?(?:\s++|#[^\n]*+)*+"
_FIRST_FIELD = re.compile(_BLANKS + rb"(\w+)")
# A text may have control characters within its strings.
_TEXT_START = re.compile(_BLANKS + rb"(?:node|library|versions?|[a-z]+_(?:def|info|version|graphs))\s*[:{<]")
_TEXT_FIELDS: dict[bytes, Message | Foreign] = {
    b"ir_version": _ONNX,
    **dict.fromkeys((b"saved_model_schema_version", b"meta_graphs"), Message.SAVED_MODEL),
    **dict.fromkeys(
        b"meta_info_def graph_def saver_def collection_def signature_def asset_file_def object_graph_def".split(),
        Message.META_GRAPH,
    ),
}

_NODE_NAME = re.compile(rb"[A-Za-z0-9._][A-Za-z0-9_.\-/>\\]*")
_OP_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_>.]*")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def recognize(data: bytes) -> FileType:
    """Returns the type of a file's content.

    Content of no known kind is taken for a GraphDef, text or binary by whether it has control characters, so that
    the reader names its first fault.
    """
    foreign = _foreign(data)
    if foreign is not None:
        return FileType(foreign=foreign)
    is_text = _TEXT_START.match(data) is not None or _is_utf8_text(data[:_SNIFFED])
    found = _text_message(data) if is_text else _binary_message(data)
    return FileType(foreign=found) if isinstance(found, Foreign) else FileType(found, is_text)


def _is_utf8_text(data: bytes) -> bool:
    """Returns True for UTF-8 without control characters; a character that is cut off at the end does not count."""
    if _CONTROL.search(data) is not None:
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end == len(data) and error.reason == "unexpected end of data"
    return True


def holds_graph(data: bytes) -> bool:
    """Returns True for content that is certainly a graph message, complete or cut short."""
    kind = recognize(data)
    if kind.foreign is not None:
        return False
    if kind.is_text:
        return _TEXT_START.match(data) is not None
    return kind.message is not Message.GRAPH or _is_graph(data)


def _foreign(data: bytes) -> Foreign | None:
    if not data or data.isspace():
        return Foreign("an empty file" if not data else "a file of blanks only")
    for magic, foreign in _MAGIC:
        if data.startswith(magic):
            return foreign
    if data.startswith(_HDF5):
        return _hdf5(data)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(data)
    if data[4:8] == b"TFL3":
        return Foreign("a TensorFlow Lite model", "use the SavedModel or GraphDef that it was converted from")
    if _HTML.match(data):
        return Foreign("an HTML page, not the file itself", "the download may need a login or the raw link")
    if _JSON.match(data):
        return _json(data)
    if data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data):
        return Foreign("a safetensors file", "tfg reads checkpoints in HDF5 and TensorFlow's own formats")
    return None


def _hdf5(data: bytes) -> Foreign:
    if b"model_config" in data:
        return _KERAS
    if b"keras_version" in data or b"layer_names" in data:
        return Foreign("a file of Keras weights, which holds no graph", _EXPORT)
    return Foreign("an HDF5 file", "tfg show and tfg checkpoint list look into states and checkpoints")


def _zip(data: bytes) -> Foreign:
    if b"model.weights.h5" in data:
        return _KERAS
    if b"data.pkl" in data:
        return Foreign("a PyTorch model")
    if b".npy" in data:
        return Foreign("a NumPy archive of arrays", "feed them with --feeds FILE")
    return Foreign("a zip archive", "unpack it with unzip")


def _json(data: bytes) -> Foreign:
    if b'"modelTopology"' in data or b'"weightsManifest"' in data:
        return _TFJS
    if b'"class_name"' in data and b'"config"' in data:
        return Foreign("the JSON configuration of a Keras model, which holds no graph", _EXPORT)
    return Foreign("a JSON file", "tfg reads protobuf text and binary, not protobuf's JSON")


def _text_message(data: bytes) -> Message | Foreign:
    first = _FIRST_FIELD.match(data)
    return Message.GRAPH if first is None else _TEXT_FIELDS.get(first[1], Message.GRAPH)


def _binary_message(data: bytes) -> Message | Foreign:
    """Returns the message whose fields a binary file begins with; a damaged one counts as far as it can be read."""
    if _is_graph(data):
        return Message.GRAPH
    kinds: dict[int, int] = {}
    first: dict[int, bytes] = {}
    for field in _fields(data):
        kinds.setdefault(field.number, field.wire_type)
        first.setdefault(field.number, field.value)
    if kinds.get(1) == _VARINT:
        is_onnx = kinds.keys() & {7, 8, 14, 20} or kinds.get(3) == _BYTES
        return _ONNX if is_onnx else Message.SAVED_MODEL
    if kinds.get(1) == _BYTES and _is_node(first[1]):
        return Message.GRAPH
    if kinds.keys() & {6, 7} or kinds.get(3) == _BYTES or _is_map_entry(first.get(4, b"")):
        return Message.META_GRAPH
    if {1, 2} <= kinds.keys() or (2 in kinds and _is_graph(first[2])):
        return Message.META_GRAPH
    return Message.GRAPH


def _is_node(data: bytes) -> bool:
    """Returns True for a NodeDef: a name, and an operation's name."""
    values = {field.number: field.value for field in _fields(data, most=8)}
    name, op = values.get(1, b""), values.get(2, b"")
    return bool(_NODE_NAME.fullmatch(name) and (not op or _OP_NAME.fullmatch(op)) and (op or 3 in values))


def _is_graph(data: bytes) -> bool:
    first = next(iter(_fields(data, most=1)), None)
    return first is not None and first.number == 1 and _is_node(first.value)


def _is_map_entry(data: bytes) -> bool:
    first = next(iter(_fields(data, most=1)), None)
    return first is not None and first.number == 1 and first.wire_type == _BYTES


def _fields(data: bytes, most: int = 1 << 20) -> Iterator[_Field]:
    """Yields the fields of a message's first level up to the first byte that is no field, or ``most`` of them."""
    position, end = 0, len(data)
    for _ in range(most):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if tag < 0 or number == 0:
            return
        value = b""
        if wire_type == _VARINT:
            _, position = _varint(data, position)
        elif wire_type == _BYTES:
            size, position = _varint(data, position)
            value = data[position : position + min(size, 4096)] if size >= 0 else b""
            position = position + size if size >= 0 else -1
        elif wire_type in (_FIXED32, _FIXED64):
            position += 4 if wire_type == _FIXED32 else 8
        else:
            return
        if position < 0:
            return
        yield _Field(number, wire_type, value)
        if position >= end:
            return


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns an integer and the position after it; (-1, -1) where there is none."""
    value = shift = 0
    while 0 <= position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    return -1, -1
