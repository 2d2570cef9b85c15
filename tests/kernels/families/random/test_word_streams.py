"""Words of a stream one by one: in the order of the stream, also from a saved position or in a copy."""

from __future__ import annotations

import pytest
from tfg.kernels.families.random.word_streams import WordStream
from tfg.kernels.numeric.philox import Philox

_GENERATOR = Philox.from_seeds(3, 4)
_WORDS = _GENERATOR.words(64).tolist()


def test_words_are_those_of_the_stream() -> None:
    stream = WordStream(_GENERATOR)
    assert [stream.next() for _ in _WORDS] == _WORDS


@pytest.mark.parametrize("taken", [0, 1, 3, 4, 31, 32, 33, 100])
def test_a_saved_stream_goes_on(taken: int) -> None:
    stream = WordStream(_GENERATOR)
    stream.take(taken)
    restored = WordStream(Philox.from_seeds(0, 1))
    restored.load(stream.save())
    copied = stream.copy()
    expected = _WORDS[taken : taken + 50]
    assert [[one.next() for _ in expected] for one in (stream, restored, copied)] == [expected] * 3
