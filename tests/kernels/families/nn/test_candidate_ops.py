"""Candidate samplers. What the learning ones have learnt after some steps is in test_random_streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.families.nn.candidate_samplers import LearnedUnigramSampler

from tests import reference

from ...harness import case, i64, table_tests

TRUE = i64([[1, 5], [0, 9], [7, 7]])
FIXED = "FixedUnigramCandidateSampler"
SAMPLERS = ("Uniform", "LogUniform", "LearnedUnigram", "ThreadUnsafeUnigram")
WEIGHTS = tuple(float(w) for w in (1, 2, 30, 4, 5, 6.5, 7, 8, 9, 10))

CASES = [
    *(case(f"{name}CandidateSampler", TRUE, num_true=2, num_sampled=n, unique=n != 30, range_max=size, seed=3,
           seed2=8) for name in SAMPLERS for n, size in ((5, 10), (10, 10), (30, 10), (6, 1024), (40, 1000))),
    *(case(f"{name}CandidateSampler", TRUE, num_true=2, num_sampled=11, unique=True, range_max=10, seed=3,
         error="INVALID_ARGUMENT: without repetition")
      for name in SAMPLERS),
    *(case(f"{name}CandidateSampler", TRUE, num_true=2, num_sampled=3, unique=False, range_max=9, seed=3,
         error="INVALID_ARGUMENT: true class")
      for name in SAMPLERS),
    case("UniformCandidateSampler", TRUE, num_true=3, num_sampled=3, unique=False, range_max=10, seed=3,
         error="INVALID_ARGUMENT: true_classes must have 3 columns"),
    case("UniformCandidateSampler", i64([1]), num_true=1, num_sampled=3, unique=False, range_max=10, seed=3,
         error="INVALID_ARGUMENT: 'true_classes' must be of rank"),
    case("LogUniformCandidateSampler", TRUE, num_true=2, num_sampled=9, unique=True, range_max=2**40, seed=3),
    case("AllCandidateSampler", TRUE, num_true=2, num_sampled=10, unique=True, seed=3),
    case("AllCandidateSampler", TRUE, num_true=2, num_sampled=9, unique=True, seed=3,
         error="INVALID_ARGUMENT: true class"),
    *(case(FIXED, TRUE, num_true=2, num_sampled=n, unique=unique, range_max=10, seed=3,
           unigrams=WEIGHTS, distortion=d) for n, unique in ((7, True), (30, False)) for d in (1.0, 0.75)),
    case(FIXED, TRUE, num_true=2, num_sampled=20, unique=False, range_max=12,
         seed=3, unigrams=WEIGHTS, num_reserved_ids=2),
    case(FIXED, i64([[1], [4]]), num_true=1, num_sampled=20, unique=False,
         range_max=6, seed=3, unigrams=WEIGHTS, num_reserved_ids=2, num_shards=2, shard=1),
    case(FIXED, TRUE, num_true=2, num_sampled=20, unique=False, range_max=11,
         seed=3, unigrams=WEIGHTS, error="INVALID_ARGUMENT: range_max"),
    case(FIXED, TRUE, num_true=2, num_sampled=20, unique=False, range_max=11, seed=3,
         error="INVALID_ARGUMENT: vocab_file and unigrams"),
    case("ComputeAccidentalHits", TRUE, i64([7, 3, 1, 9, 7]), num_true=2),
    case("ComputeAccidentalHits", TRUE, i64([]), num_true=2),
    case("ComputeAccidentalHits", TRUE, i64([30]), num_true=2),
    case("ComputeAccidentalHits", i64(np.zeros((0, 2))), i64([30]), num_true=2),
    case("ComputeAccidentalHits", TRUE, i64([30]), num_true=3,
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("ComputeAccidentalHits", TRUE, i64([[30]]), num_true=2,
         error="INVALID_ARGUMENT: 'sampled_candidates' must be of rank"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def _from_file(path: Path) -> list[object]:
    g = GraphBuilder()
    attrs = {"num_true": 2, "num_sampled": 9, "unique": False, "range_max": 10, "seed": 3}
    outputs = g.FixedUnigramCandidateSampler(TRUE, vocab_file=str(path), **attrs)
    return reference.run(g.graph(), [x.name for x in outputs], {})


def test_weights_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary"
    path.write_text("".join(f"word{i},{w}\n" for i, w in enumerate(WEIGHTS)))
    sampled, _, _ = _from_file(path)
    assert np.min(sampled) >= 0
    assert np.max(sampled) < 10
    path.write_text("word\n")
    with pytest.raises(TfgError, match="word"):
        _from_file(path)
    with pytest.raises(TfgError) as caught:
        _from_file(tmp_path / "none")
    assert caught.value.status is Status.NOT_FOUND


def test_what_is_learnt_is_kept() -> None:
    first, second = LearnedUnigramSampler(4), LearnedUnigramSampler(4)
    first.update(i64([1, 1, 3]))
    second.load(first.save())
    assert second.probability(i64([0, 1, 2, 3])).tolist() == pytest.approx([1 / 7, 3 / 7, 1 / 7, 2 / 7])
