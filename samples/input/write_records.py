"""Writes the digits as TFRecord files of tf.Example messages: image, 64 floats, and label, an integer.

    python samples/input/write_records.py samples/digits/digits.npz out/records

The messages are written by hand here, to show how little a tf.Example is; any program that writes them will do.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import google_crc32c
import numpy as np

SHARDS = 4


def varint(number: int) -> bytes:
    """An integer, seven bits a byte."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def message(number: int, content: bytes) -> bytes:
    """A field that holds a message, a string or packed numbers."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(name: str, kind: int, values: bytes) -> bytes:
    """An entry of the map of features: kind 2 are floats, 3 are integers."""
    return message(1, message(1, name.encode()) + message(2, message(kind, message(1, values))))


def example(image: np.ndarray, label: int) -> bytes:
    """A tf.Example."""
    return message(
        1, feature("image", 2, image.astype("<f4").tobytes()) + feature("label", 3, varint(int(label)))
    )


def checksum(data: bytes) -> bytes:
    """The masked CRC-32C that TFRecord files protect lengths and records with."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + checksum(length) + data + checksum(data)


def write(source: str, folder: str) -> None:
    """Writes the training images in several files, and the others in one."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with np.load(source) as digits:
        for part, shards in (("train", SHARDS), ("test", 1)):
            examples = [record(example(*pair)) for pair in zip(digits[f"x_{part}"], digits[f"y_{part}"])]
            for shard in range(shards):
                path = target / f"{part}-{shard:05d}-of-{shards:05d}"
                path.write_bytes(b"".join(examples[shard::shards]))
                print(f"{path}: {len(examples[shard::shards])} examples")


if __name__ == "__main__":
    write(*sys.argv[1:3])
