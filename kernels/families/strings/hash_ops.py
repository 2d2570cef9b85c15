"""StringToHashBucket, Fast and Strong: hash buckets of strings, by Murmur, FarmHash fingerprint and SipHash
(string_to_hash_bucket_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.hashes import farm_fingerprint64, murmur_hash64a, sip_hash24
from ...numeric.string_tensors import map_strings

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

fast = op(
    "StringToHashBucketFast(input: string; num_buckets: int >= 1) -> (output: int64)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@fast.kernel
def _(xp: Any, text: Any, *, num_buckets: int) -> Any:
    return map_strings(lambda item: farm_fingerprint64(item) % num_buckets, text, np.int64)


plain = op(
    "StringToHashBucket(string_tensor: string; num_buckets: int >= 1) -> (output: int64)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@plain.kernel
def _(xp: Any, text: Any, *, num_buckets: int) -> Any:
    return map_strings(lambda item: murmur_hash64a(item) % num_buckets, text, np.int64)


strong = op(
    "StringToHashBucketStrong(input: string; num_buckets: int >= 1, key: list(int)) -> (output: int64)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@strong.kernel
def _(xp: Any, text: Any, *, num_buckets: int, key: tuple[int, ...]) -> Any:
    if len(key) != 2:
        raise invalid(f"key must have 2 elements, but has {len(key)}")
    pair = (key[0], key[1])
    return map_strings(lambda item: sip_hash24(item, pair) % num_buckets, text, np.int64)
