"""CacheDataset in both versions, and the handles of caches in memory (cache_dataset_ops.cc in TensorFlow).

A cache in a file is a bundle with one tensor per component of every element, as TensorFlow writes and reads it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from ...numeric.string_tensors import to_value
from .datasets import (
    Dataset,
    Element,
    Pass,
    Reading,
    State,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
)
from .element_states import load_elements, save_elements
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ....graphfmt.checkpoints.entries import StoredTensor
    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# The width of an element's number in the names of a file's tensors: that of the greatest number that TensorFlow allows.
_NUMBER_WIDTH = 7


class MemoryCache:
    """The elements of a dataset, None until a pass has come to its end."""

    def __init__(self) -> None:
        self.elements: list[Element] | None = None


class MemoryCachePass(Pass):
    """Reads the cache if it is filled when the pass begins; otherwise passes elements on, and fills it at the end."""

    def __init__(self, dataset: Dataset, cache: MemoryCache, reading: Reading) -> None:
        self._cache = cache
        self._source = dataset.begin(reading) if cache.elements is None else None
        self._elements = [] if cache.elements is None else cache.elements
        self._position = 0

    def next(self) -> Element | None:
        if self._source is not None:
            return self._next_of(self._source)
        if self._position == len(self._elements):
            return None
        self._position += 1
        return self._elements[self._position - 1]

    def _next_of(self, source: Pass) -> Element | None:
        element = source.next()
        if element is not None:
            self._elements.append(element)
            return element
        self._cache.elements = self._elements
        self._source, self._position = None, len(self._elements)
        return None

    def save(self) -> State:
        state = {**save_numbers(position=self._position), **save_elements("elements", self._elements)}
        return {**state, **(prefixed("source", self._source.save()) if self._source is not None else {})}

    def load(self, state: State) -> None:
        self._position, self._elements = int(state["position"]), load_elements("elements", state)
        inner = part("source", state)
        if not inner:
            self._source, self._cache.elements = None, self._elements
        elif self._source is not None:
            self._source.load(inner)


def _tensor_name(number: int, place: int, width: int) -> str:
    return f"{number:{_NUMBER_WIDTH}d}_{place:{len(str(width - 1))}d}"


class FileCachePass(Pass):
    """Reads the bundle at ``prefix``, if there is one when the pass begins; otherwise passes elements on and writes
    them at the end."""

    def __init__(self, dataset: Dataset, prefix: str, reading: Reading) -> None:
        self._dataset = dataset
        self._prefix = prefix
        self._reading = reading
        self._elements: list[Element] = []
        self._position = 0
        self._bundle: Any = None
        self._source: Pass | None = None
        if Path(f"{prefix}.index").exists():
            self._open()
        else:
            self._begin()

    def _begin(self) -> None:
        lock = f"{self._prefix}_0.lockfile"
        if Path(lock).exists():
            raise TfgError(
                Status.ALREADY_EXISTS,
                f"There appears to be a concurrent caching iterator running - cache lockfile already exists "
                f"({lock!r}). If you are sure no other running TF computations are using this cache prefix, delete "
                "the lockfile and re-initialize the iterator.",
            )
        self._source = self._dataset.begin(self._reading)

    def _open(self) -> None:
        from ....graphfmt.checkpoints.bundle.reader import BundleReader

        self._bundle = BundleReader(self._prefix)
        if len(self._bundle.entries) % len(self._dataset.types):
            raise TfgError(
                Status.INTERNAL,
                f"the cache {self._prefix!r} has {len(self._bundle.entries)} tensors, not some for each of "
                f"{len(self._dataset.types)} components",
            )

    def next(self) -> Element | None:
        if self._source is not None:
            return self._next_of(self._source)
        width = len(self._dataset.types)
        if self._position * width >= len(self._bundle.entries):
            return None
        position, self._position = self._position, self._position + 1
        return tuple(self._read(position, place) for place in range(width))

    def _read(self, position: int, place: int) -> Any:
        array = self._bundle.read(_tensor_name(position, place, len(self._dataset.types)))
        wanted = self._dataset.types[place]
        if array.dtype != wanted.numpy:
            raise invalid(
                f"component {place} of the cache {self._prefix!r} is of {array.dtype}, not of {wanted}"
            )
        return to_value(array)

    def _next_of(self, source: Pass) -> Element | None:
        element = source.next()
        if element is not None:
            self._elements.append(element)
            return element
        from ....graphfmt.checkpoints.bundle.writer import write_bundle

        write_bundle(self._prefix, self._tensors())
        self._source, self._position, self._elements = None, len(self._elements), []
        self._open()
        return None

    def _tensors(self) -> Iterator[StoredTensor]:
        from ....graphfmt.checkpoints.entries import StoredTensor

        for number, element in enumerate(self._elements):
            for place, (value, dtype) in enumerate(zip(element, self._dataset.types)):
                name = _tensor_name(number, place, len(element))
                yield StoredTensor(name, np.asarray(to_value(value)), dtype=dtype)

    def save(self) -> State:
        state = {**save_numbers(position=self._position), **save_elements("elements", self._elements)}
        return {**state, **(prefixed("source", self._source.save()) if self._source is not None else {})}

    def load(self, state: State) -> None:
        self._position, self._elements = int(state["position"]), load_elements("elements", state)
        inner = part("source", state)
        if not inner:
            self._source = None
            if self._bundle is None:
                self._open()
            return
        if self._source is None:
            self._source, self._bundle = self._dataset.begin(self._reading), None
        self._source.load(inner)


def _begin(source: Dataset, filename: Any, cache: MemoryCache) -> Callable[[Reading], Pass]:
    if np.ndim(filename):
        raise invalid(f"filename must be a scalar, but has shape {list(np.shape(filename))}")
    name: Any = filename[()] if isinstance(filename, np.ndarray) else filename
    if not name:
        return lambda reading: MemoryCachePass(source, cache, reading)
    return lambda reading: FileCachePass(source, os.fsdecode(name), reading)


_EFFECTS = Effects(reads_files=("filename",), writes_files=("filename",))
cached = op(
    f"CacheDataset(input_dataset: variant, filename: string; {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    effects=_EFFECTS,
)


@cached.kernel
def _(
    xp: Any,
    input_dataset: Any,
    filename: Any,
    *,
    output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:
    source = to_dataset(input_dataset)
    return new_variant(
        output_types, output_shapes, _begin(source, filename, MemoryCache()), source.cardinality
    )


cached_v2 = op(
    f"CacheDatasetV2(input_dataset: variant, filename: string, cache: resource; {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    stateful=True,
    effects=_EFFECTS,
)


@cached_v2.kernel
def _(
    xp: Any, input_dataset: Any, filename: Any, cache: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    if not isinstance(cache, MemoryCache):
        raise invalid(f"the handle must be of a memory cache, but is of a {type(cache).__name__}")
    return new_variant(output_types, output_shapes, _begin(source, filename, cache), source.cardinality)


dummy = op(
    "DummyMemoryCache() -> (handle: resource)",
    shape=shapes.scalar,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@dummy.kernel
def _(xp: Any) -> Any:
    return MemoryCache()


anonymous = op(
    "AnonymousMemoryCache() -> (handle: resource, deleter: variant)",
    shape=lambda c: [shapes.scalar(c)] * 2,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@anonymous.kernel
def _(xp: Any) -> Any:
    return MemoryCache(), np.empty((), object)


delete = op(
    "DeleteMemoryCache(handle: resource, deleter: variant)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@delete.kernel
def _(xp: Any, handle: Any, deleter: Any) -> Any:
    return []
