"""Coarsening: a smaller problem that approximates a large one, so that the search can try more assignments.

An operation is contracted with its only predecessor or its only successor: no other path can connect the two,
so the coarse problem has no cycles. Scores on the coarse problem are approximate; the simulator decides on the
large one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..constraints.colocation import DisjointSets
from ..problem import Problem, ProblemTensor

if TYPE_CHECKING:
    from ..problem import Assignment


@dataclass(frozen=True)
class CoarseProblem:
    """A coarsened problem; ``group_of`` maps groups of the large problem to groups of the coarse one."""

    problem: Problem
    group_of: list[int]

    def refine(self, assignment: Assignment) -> Assignment:
        """Returns the same assignment for the large problem."""
        return [assignment[group] for group in self.group_of]

    def project(self, large: Problem, assignment: Assignment) -> Assignment:
        """Converts an assignment of the large problem: each coarse group goes where most of its work and bytes
        are."""
        weight = large.group_seconds.mean(axis=1) / max(large.group_seconds.mean(axis=1).sum(), 1e-300)
        bytes = np.asarray(large.group_persistent, np.float64)
        weight = weight + bytes / max(bytes.sum(), 1e-300) + 1e-9
        votes = np.zeros((len(self.problem.feasible), self.problem.devices))
        np.add.at(votes, (self.group_of, assignment), weight)
        return [
            max(devices, key=lambda d: (votes[g, d], -d)) for g, devices in enumerate(self.problem.feasible)
        ]


def coarsen(problem: Problem, target: int) -> CoarseProblem:
    """Returns a problem of about ``target`` operations, none with much more than its share of all work."""
    ops, groups = DisjointSets(len(problem.group)), DisjointSets(len(problem.feasible))
    feasible = [set(devices) for devices in problem.feasible]
    work = list(problem.average)
    most = 2 * sum(work) / target
    left = sum(problem.active)
    for _ in range(20):
        contracted = 0
        for u, v in _links(problem, ops):
            a, b = ops.find(u), ops.find(v)
            if a == b or left - contracted <= target or work[a] + work[b] > most:
                continue
            if not _can_join(problem, groups, feasible, a, b):
                continue
            contracted += 1
            ops.unite(a, b)
            work[ops.find(a)] = work[a] + work[b]
        left -= contracted
        if not contracted or left <= target:
            break
    return _built(problem, ops, groups)


def _can_join(problem: Problem, groups: DisjointSets, feasible: list[set[int]], a: int, b: int) -> bool:
    """Joins the groups of two operations if they share a feasible device; returns True if so."""
    g, h = groups.find(problem.group[a]), groups.find(problem.group[b])
    both = feasible[g] & feasible[h]
    if both:
        feasible[g] = feasible[h] = both
        groups.unite(g, h)
    return bool(both)


def _links(problem: Problem, ops: DisjointSets) -> list[tuple[int, int]]:
    """Returns pairs of operations to contract, largest tensors first, with each operation in at most one pair.

    Contracting two adjacent pairs merges three operations or more, which could create a cycle.
    """
    before: dict[int, set[int]] = {}
    after: dict[int, set[int]] = {}
    size: dict[tuple[int, int], int] = {}
    for tensor in problem.tensors:
        u = ops.find(tensor.producer)
        for reader in tensor.readers:
            v = ops.find(reader)
            if u != v:
                before.setdefault(v, set()).add(u)
                after.setdefault(u, set()).add(v)
                size[u, v] = size.get((u, v), 0) + tensor.size
    single = [(u, v) for u, v in size if len(before[v]) == 1 or len(after[u]) == 1]
    taken: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for u, v in sorted(single, key=lambda pair: (-size[pair], pair)):
        if u not in taken and v not in taken:
            taken |= {u, v}
            pairs.append((u, v))
    return pairs


def _built(problem: Problem, ops: DisjointSets, groups: DisjointSets) -> CoarseProblem:
    active = np.flatnonzero(problem.active)
    busy = {ops.find(op) for op in active.tolist()}
    order = [root for root in _order(problem, ops) if root in busy]
    number = {root: new for new, root in enumerate(order)}
    new_op = {op: number[ops.find(op)] for op in active.tolist()}
    into = np.array(list(new_op.values()), np.intp)
    roots = sorted({groups.find(g) for g in range(len(problem.feasible))})
    new_group = {root: new for new, root in enumerate(roots)}
    group_of = [new_group[groups.find(g)] for g in range(len(problem.feasible))]
    feasible: list[set[int]] = [set(range(problem.devices)) for _ in roots]
    for group, devices in enumerate(problem.feasible):
        feasible[group_of[group]] &= set(devices)
    seconds = np.zeros((len(order), problem.devices))
    np.add.at(seconds, into, np.asarray(problem.seconds).reshape(-1, problem.devices)[active])
    persistent = np.zeros(len(order), np.int64)
    np.add.at(persistent, into, problem.tensor_table.persistent[active])
    tensors: list[ProblemTensor] = []
    for tensor in problem.tensors:
        producer = new_op[tensor.producer]
        readers = sorted({new_op[reader] for reader in tensor.readers} - {producer})
        if readers:
            tensors.append(ProblemTensor(producer, tensor.size, tensor.held, tuple(readers)))
    small = Problem(
        group=[group_of[problem.group[root]] for root in order],
        feasible=[tuple(sorted(devices)) for devices in feasible],
        seconds=seconds.tolist(),
        tensors=tensors,
        latency=problem.latency,
        per_byte=problem.per_byte,
        persistent=persistent.tolist(),
        limits=problem.limits,
        interpreters=[interpreter._replace(call=0.0) for interpreter in problem.interpreters],
    )
    return CoarseProblem(small, group_of)


def _order(problem: Problem, ops: DisjointSets) -> list[int]:
    """Returns the contracted operations in topological order."""
    waiting = {ops.find(op): 0 for op in range(len(problem.group))}
    edges: dict[int, list[int]] = {root: [] for root in waiting}
    for tensor in problem.tensors:
        u = ops.find(tensor.producer)
        for v in {ops.find(reader) for reader in tensor.readers} - {u}:
            edges[u].append(v)
            waiting[v] += 1
    ready = [root for root, count in waiting.items() if not count]
    for root in ready:
        for reader in edges[root]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return ready
