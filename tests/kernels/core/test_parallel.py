"""Loops over chunks: every chunk once, errors, claims, concurrent callers, forks."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.kernels.core.parallel import Pool, available_threads
from tfg.kernels.numeric import parallel_products


@given(st.integers(0, 40), st.integers(1, 6))
def test_every_chunk_runs_once(count: int, threads: int) -> None:
    pool, done = Pool(threads), [0] * count
    lock = threading.Lock()

    def chunk(number: int) -> None:
        with lock:
            done[number] += 1

    pool.run(chunk, count)
    assert done == [1] * count


def test_thousands_of_loops_from_several_callers_at_once() -> None:
    pool = Pool(4)

    def sums(seed: int) -> bool:
        random = np.random.default_rng(seed)
        for _ in range(400):
            count = int(random.integers(1, 9))
            parts = [0] * count
            pool.run(lambda number, parts=parts: parts.__setitem__(number, number + 1), count)
            if sum(parts) != count * (count + 1) // 2:
                return False
        return True

    with ThreadPoolExecutor(5) as callers:
        assert all(callers.map(sums, range(10)))


def test_the_caller_does_not_wait_for_a_helper_that_has_claimed_nothing() -> None:
    pool = Pool(2)
    held = threading.Event()
    threading.Thread(target=lambda: pool.run(lambda _: held.wait(10), 2), daemon=True).start()
    time.sleep(0.05)
    begun = time.perf_counter()
    pool.run(lambda _: None, 8)
    assert time.perf_counter() - begun < 5
    held.set()


def test_the_first_error_is_raised_and_the_rest_left_out() -> None:
    begun: list[int] = []

    def chunk(number: int) -> None:
        begun.append(number)
        raise ValueError(f"chunk {number}")

    with pytest.raises(ValueError, match="chunk"):
        Pool(2).run(chunk, 1000)
    assert len(begun) <= 2


def test_a_forked_child_starts_anew() -> None:
    pool = Pool(2)
    os.register_at_fork(after_in_child=pool.forget_threads)
    pool.run(lambda _: None, 4)
    child = os.fork()
    if child == 0:
        total: list[int] = []
        pool.run(total.append, 4)
        os._exit(0 if sorted(total) == [0, 1, 2, 3] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_variables_and_limits_bound_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads() == 1
    monkeypatch.setenv("TFG_NUM_THREADS", "many")
    assert available_threads() == 1
    pool = Pool(3)
    assert pool.limit(1) == 3
    assert pool.threads == 1


@pytest.mark.parametrize(
    "shape", [(64, 784, 512), (700, 64, 300), (1, 4000, 4000), (300, 0, 300), (0, 5, 300)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_products_are_the_same_for_any_number_of_threads(
    shape: tuple[int, int, int], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, inner, columns = shape
    random = np.random.default_rng(0)
    a = random.normal(size=(rows, inner)).astype(dtype)
    b = random.normal(size=(columns, inner)).astype(dtype).T
    results: list[bytes] = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel_products, "POOL", Pool(threads))
        product = parallel_products.matmul(a, b)
        np.testing.assert_allclose(product, a @ b, rtol=1e-4, atol=1e-3)
        results.append(product.tobytes())
    assert len(set(results)) == 1


def test_matrices_that_do_not_fit_and_stacks_are_numpys_affair() -> None:
    with pytest.raises(ValueError, match="mismatch"):
        parallel_products.matmul(np.ones((2, 3)), np.ones((2, 3)))
    assert parallel_products.matmul(np.ones((4, 2, 3)), np.ones((4, 3, 2))).shape == (4, 2, 2)
