"""Candidate sampling (candidate_sampler_ops.cc): classes drawn to stand for all that are not true, for sampled
losses.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ..random.generators import reserve_node_stream
from .candidate_samplers import (
    FixedUnigramSampler,
    LearnedUnigramSampler,
    LogUniformSampler,
    Sampler,
    UniformSampler,
    draw_candidates,
)

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_OUTPUTS = "(sampled_candidates: int64, true_expected_count: float, sampled_expected_count: float)"
_SAMPLING = "num_true: int >= 1, num_sampled: int >= 1, unique: bool"
_SEEDS = "seed: int = 0, seed2: int = 0"
# The number of 32-bit random words reserved for every class that is drawn.
_WORDS_PER_SAMPLE = 2048


def _candidate_shapes(c: ShapeContext) -> list[Shape]:
    rows = c.with_rank("true_classes", 2)[0]
    sampled = vector(c.attr("num_sampled"))
    return [sampled, Shape((rows, c.attr("num_true"))), sampled]


def _check_true_classes(true_classes: Any, num_true: int, size: int) -> None:
    if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
        raise invalid(f"true_classes must have {num_true} columns, but have shape {list(true_classes.shape)}")
    outside = true_classes[(true_classes < 0) | (true_classes >= size)]
    if outside.size:
        raise invalid(f"true class {outside[0]} is not in [0, {size})")


def _sample_candidates(
    ctx: Any, node: tuple[str, int, int], sampler: Sampler, true_classes: Any, attrs: tuple[int, int, bool]
) -> list[Any]:
    num_true, num_sampled, unique = attrs
    if unique and num_sampled > sampler.range:
        raise invalid(
            f"num_sampled is {num_sampled}, but there are only {sampler.range} classes to draw without repetition"
        )
    _check_true_classes(true_classes, num_true, sampler.range)
    generator = reserve_node_stream(ctx, *node, _WORDS_PER_SAMPLE * num_sampled // 4)
    sampled, expected = draw_candidates(sampler, generator, num_sampled, unique)
    counts = [expected(true_classes), expected(sampled)]
    sampler.update(true_classes.reshape(-1))
    return [sampled, *(count.astype(np.float32) for count in counts)]


def _declare(name: str, make: Any, learns: bool = False) -> None:
    declared = op(
        f"{name}CandidateSampler(true_classes: int64; {_SAMPLING}, range_max: int >= 1, {_SEEDS}) "
        f"-> {_OUTPUTS}",
        shape=_candidate_shapes,
        stateful=True,
    )

    @declared.kernel
    def _(
        ctx: Any, xp: Any, true_classes: Any, *, node_name: str, seed: int, seed2: int,
        num_true: int, num_sampled: int, unique: bool, range_max: int,
    ) -> list[Any]:  # fmt: skip
        if learns and range_max >= 2**31 - 1:
            raise invalid(f"range_max must be less than {2**31 - 1}, but is {range_max}")
        if learns:
            sampler = ctx.resource(
                "", node_name, LearnedUnigramSampler, lambda: LearnedUnigramSampler(range_max)
            )
        else:
            sampler = make(range_max)
        attrs = (num_true, num_sampled, unique)
        return _sample_candidates(ctx, (node_name, seed, seed2), sampler, true_classes, attrs)


_declare("Uniform", UniformSampler)
_declare("LogUniform", LogUniformSampler)
_declare("LearnedUnigram", LearnedUnigramSampler, learns=True)
_declare("ThreadUnsafeUnigram", LearnedUnigramSampler, learns=True)

all_candidates = op(
    f"AllCandidateSampler(true_classes: int64; {_SAMPLING}, {_SEEDS}) -> {_OUTPUTS}",
    shape=_candidate_shapes,
    stateful=True,
)


@all_candidates.kernel
def _(xp: Any, true_classes: Any, *, num_true: int, num_sampled: int) -> list[Any]:
    _check_true_classes(true_classes, num_true, num_sampled)
    ones = [np.ones(shape, np.float32) for shape in (true_classes.shape, (num_sampled,))]
    return [np.arange(num_sampled, dtype=np.int64), *ones]


fixed_unigram = op(
    f"FixedUnigramCandidateSampler(true_classes: int64; {_SAMPLING}, range_max: int >= 1, "
    'vocab_file: string = "", distortion: float = 1, num_reserved_ids: int = 0, num_shards: int >= 1 = 1, '
    f"shard: int >= 0 = 0, unigrams: list(float) = [], {_SEEDS}) -> {_OUTPUTS}",
    shape=_candidate_shapes,
    stateful=True,
)


@fixed_unigram.kernel
def _(
    ctx: Any, xp: Any, true_classes: Any, *, node_name: str, seed: int, seed2: int, num_true: int,
    num_sampled: int, unique: bool, range_max: int, vocab_file: str, distortion: float,
    num_reserved_ids: int, num_shards: int, shard: int, unigrams: tuple[float, ...],
) -> list[Any]:  # fmt: skip
    if bool(vocab_file) == bool(unigrams):
        raise invalid("exactly one of vocab_file and unigrams must be set")
    weights = unigrams or _read_weights(vocab_file)
    sampler = FixedUnigramSampler(weights, distortion, num_reserved_ids, num_shards, shard)
    if sampler.range != range_max:
        raise invalid(f"range_max is {range_max}, but there are {sampler.range} weights")
    return _sample_candidates(
        ctx, (node_name, seed, seed2), sampler, true_classes, (num_true, num_sampled, unique)
    )


def _read_weights(path: str) -> list[float]:
    """Reads the last column of a file of comma-separated values."""
    try:
        lines = Path(path).read_text().splitlines()
    except FileNotFoundError:
        raise TfgError(Status.NOT_FOUND, f"vocab_file {path!r} does not exist") from None
    try:
        return [float(line.rpartition(",")[2]) for line in lines]
    except ValueError as error:
        raise invalid(f"vocabulary {path!r} has a line that does not end with a weight: {error}") from None


def _hits_shapes(c: ShapeContext) -> list[Shape]:
    c.with_rank("true_classes", 2).merge(Shape((None, c.attr("num_true"))))
    c.with_rank("sampled_candidates", 1)
    return [vector(None)] * 3


accidental_hits = op(
    f"ComputeAccidentalHits(true_classes: int64, sampled_candidates: int64; num_true: int, {_SEEDS}) "
    "-> (indices: int32, ids: int64, weights: float)",
    shape=_hits_shapes,
)


@accidental_hits.kernel
def _(xp: Any, true_classes: Any, sampled: Any, *, num_true: int) -> list[Any]:
    """Gives the lowest weight to true classes among those drawn.

    For a class drawn twice, the last position counts.
    """
    if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
        raise invalid(f"true_classes must have {num_true} columns, but have shape {list(true_classes.shape)}")
    if sampled.ndim != 1:
        raise invalid(f"sampled_candidates must be a vector, but have shape {list(sampled.shape)}")
    order = np.argsort(sampled, kind="stable")
    wanted = true_classes.reshape(-1)
    places = np.searchsorted(sampled[order], wanted, side="right") - 1
    last = order[places] if sampled.size else places
    hits = np.flatnonzero((places >= 0) & (sampled[last] == wanted)) if sampled.size else places[:0]
    lowest = np.full(hits.size, np.finfo(np.float32).min, np.float32)
    return [(hits // num_true).astype(np.int32), last[hits].astype(np.int64), lowest]
