"""Simulated annealing from given assignments: first on a coarsened problem, then on the problem itself.

A move assigns a block of groups to another device. There are three kinds: groups at one end of a transfer on
the critical path; a run of groups in a pipeline order; a group and those that share most traffic with it. The
simulator scores every move. Random numbers come from a seed, so the same number of simulations gives the same
assignment.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ..simulation.bounds import lower_bounds
from ..simulation.simulator import SimulatedSchedule, excess, score, simulate
from .coarsening import coarsen
from .pipeline import order_of_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..problem import Assignment, Problem

# Simulated operations in total without a time limit: some seconds.
EFFORT = 1_500_000
# Simulations per level without a time limit.
MOST_ROUNDS = 3000
COARSE_OPERATIONS = 300
# The share of the effort that goes to the coarse problem.
_COARSE_SHARE = 0.6
# Initial temperature: the relative slowdown that is accepted at first.
_WARMTH = 0.02


@dataclass(frozen=True)
class Budget:
    """Limit of a search: seconds or, if None, the number of simulated operations."""

    seconds: float | None = None
    effort: int = EFFORT

    def rounds(self, problem: Problem, share: float) -> int | None:
        """Returns the number of simulations for a problem; None if the limit is a time."""
        if self.seconds is not None:
            return None
        return min(MOST_ROUNDS, int(share * self.effort / max(len(problem.group), 1)) + 1)


def search(
    problem: Problem, starts: Sequence[Assignment], budget: Budget = Budget(), seed: int = 0
) -> Assignment:
    """Returns the best assignment found from the starting ones; never worse than the best of them."""
    began = time.monotonic()
    best = min(starts, key=lambda a: score(problem, simulate(problem, a)))
    if problem.devices == 1 or not any(problem.active):
        return best
    random = Random(seed)
    if len(problem.group) > 2 * COARSE_OPERATIONS:
        deadline = None if budget.seconds is None else began + _COARSE_SHARE * budget.seconds
        rough = _search_coarse(problem, starts, budget, deadline, random)
        best = min((best, rough), key=lambda a: score(problem, simulate(problem, a)))
    deadline = None if budget.seconds is None else began + budget.seconds
    return _Annealer(problem, random).run(best, budget.rounds(problem, 1 - _COARSE_SHARE), deadline)


def _search_coarse(
    problem: Problem, starts: Sequence[Assignment], budget: Budget, deadline: float | None, random: Random
) -> Assignment:
    """Returns the assignment refined from a search of the coarsened problem."""
    coarse = coarsen(problem, COARSE_OPERATIONS)
    small = coarse.problem
    projected = [coarse.project(problem, start) for start in starts]
    best = min(projected, key=lambda a: score(small, simulate(small, a)))
    annealer = _Annealer(small, random)
    return coarse.refine(annealer.run(best, budget.rounds(small, _COARSE_SHARE), deadline))


class _Annealer:
    """Simulated annealing of one problem."""

    def __init__(self, problem: Problem, random: Random) -> None:
        self.problem = problem
        self.random = random
        active = {group for op, group in enumerate(problem.group) if problem.active[op]}
        orders = [order_of_groups(problem, folded=folded) for folded in (False, True)]
        self._orders = [[group for group in order if group in active] for order in orders]
        self._rank = [{group: place for place, group in enumerate(order)} for order in self._orders]
        self._near = _neighbours(problem)
        # A score that cannot be improved.
        self._least = (0.0, lower_bounds(problem).best * (1 + 1e-9), 0)
        self._movable = [g for g in sorted(active) if len(problem.feasible[g]) > 1]

    def run(self, start: Assignment, rounds: int | None, deadline: float | None) -> Assignment:
        """Returns the best assignment after a number of simulations, or at a deadline."""
        problem, random = self.problem, self.random
        current, schedule = list(start), simulate(problem, start)
        best, best_score = current, score(problem, schedule)
        energy = self._energy(schedule)
        began = time.monotonic()
        turn = 0
        while self._movable and best_score > self._least:
            if deadline is not None:
                done = (time.monotonic() - began) / max(deadline - began, 1e-9)
            else:
                done = turn / max(rounds or 0, 1)
            if done >= 1:
                break
            turn += 1
            trial = self._moved(current, schedule)
            if trial is None:
                continue
            outcome = simulate(problem, trial)
            new = self._energy(outcome)
            warmth = _WARMTH * (1 - done) ** 2
            if new <= energy or random.random() < math.exp((energy - new) / max(warmth * energy, 1e-300)):
                current, schedule, energy = trial, outcome, new
                outcome_score = score(problem, outcome)
                if outcome_score < best_score:
                    best, best_score = trial, outcome_score
        return best

    def _energy(self, schedule: SimulatedSchedule) -> float:
        """Returns the makespan, with a penalty for bytes over the memory limits."""
        over = excess(self.problem, schedule)
        if not over:
            return schedule.makespan
        return schedule.makespan * (2 + 20 * over / max(sum(schedule.peak), 1))

    def _moved(self, assignment: Assignment, schedule: SimulatedSchedule) -> Assignment | None:
        """Returns the assignment after a random move, or None if it is unchanged."""
        kind = self.random.random()
        if kind < 0.4:
            block, device = self._across_a_transfer(assignment, schedule)
        elif kind < 0.75:
            block, device = self._run_of_the_order(assignment)
        else:
            block, device = self._cluster(assignment)
        trial = list(assignment)
        for group in block:
            if device in self.problem.feasible[group]:
                trial[group] = device
        return None if trial == assignment else trial

    def _across_a_transfer(
        self, assignment: Assignment, schedule: SimulatedSchedule
    ) -> tuple[list[int], int]:
        """Proposes to move groups at one end of a critical transfer to the device at its other end."""
        critical = critical_transfers(self.problem, schedule)
        if not critical:
            return self._cluster(assignment)
        transfer = schedule.transfers[self.random.choice(critical)]
        tensor = self.problem.tensors[transfer.tensor]
        if self.random.random() < 0.5:
            readers = [op for op in tensor.readers if schedule.place[op] == transfer.target]
            seed, device = self.problem.group[self.random.choice(readers)], transfer.source
        else:
            seed, device = self.problem.group[tensor.producer], transfer.target
        return self._grown(assignment, seed, self._size()), device

    def _run_of_the_order(self, assignment: Assignment) -> tuple[list[int], int]:
        """Proposes to move a run of consecutive groups to the device of a neighbour."""
        which = self.random.randrange(2)
        order, rank = self._orders[which], self._rank[which]
        begin = rank[self.random.choice(self._movable)]
        end = min(len(order), begin + self._size())
        home = assignment[order[begin]]
        around = [assignment[order[i]] for i in (begin - 1, end) if 0 <= i < len(order)]
        others = [device for device in around if device != home] or list(range(self.problem.devices))
        run = [g for g in order[begin:end] if assignment[g] == home]
        return run, self.random.choice(others)

    def _cluster(self, assignment: Assignment) -> tuple[list[int], int]:
        """Proposes to move a group and its closest neighbours to another feasible device."""
        seed = self.random.choice(self._movable)
        others = [d for d in self.problem.feasible[seed] if d != assignment[seed]]
        return self._grown(assignment, seed, self._size()), self.random.choice(others)

    def _size(self) -> int:
        """Draws the number of groups to move: mostly few, at most an eighth of all."""
        most = max(1.0, len(self._movable) / 8)
        return max(1, int(most ** self.random.random()))

    def _grown(self, assignment: Assignment, seed: int, size: int) -> list[int]:
        """Returns a block of groups on one device around a seed, grown along the largest tensors."""
        home = assignment[seed]
        block, edge = {seed: None}, [seed]
        for group in edge:
            for near in self._near[group]:
                if len(block) >= size:
                    return list(block)
                if near not in block and assignment[near] == home:
                    block[near] = None
                    edge.append(near)
        return list(block)


def _neighbours(problem: Problem, most: int = 8) -> list[list[int]]:
    """Returns, for each group, the groups with which it shares most bytes, in descending order."""
    shared: list[dict[int, int]] = [{} for _ in problem.feasible]
    for tensor in problem.tensors:
        a = problem.group[tensor.producer]
        for b in {problem.group[reader] for reader in tensor.readers} - {a}:
            shared[a][b] = shared[a].get(b, 0) + tensor.size
            shared[b][a] = shared[b].get(a, 0) + tensor.size
    return [sorted(near, key=lambda g: (-near[g], g))[:most] for near in shared]


def critical_transfers(problem: Problem, schedule: SimulatedSchedule) -> list[int]:
    """Returns the transfers on the chain of causes that ends with the last operation.

    Each cause ends when its effect begins. If the device was busy, the cause is its previous operation.
    """
    by_end: dict[tuple[int, float], int] = {
        (place, end): op for op, (place, end) in enumerate(zip(schedule.place, schedule.finish))
    }
    arrived = {(t.tensor, t.target): i for i, t in enumerate(schedule.transfers)}
    op = max(range(len(schedule.finish)), key=lambda op: schedule.finish[op])
    critical: list[int] = []
    for _ in range(len(schedule.finish)):
        begin, device = schedule.start[op], schedule.place[op]
        if begin <= 0:
            break
        cause = -1
        for number in problem.inputs[op]:
            producer = problem.tensors[number].producer
            transfer = arrived.get((number, device))
            if schedule.place[producer] == device:
                if schedule.finish[producer] == begin:
                    cause = producer
            elif transfer is not None and schedule.transfers[transfer].finish == begin:
                critical.append(transfer)
                cause = producer
                break
        if cause < 0:
            cause = by_end.get((device, begin), -1)
        if cause < 0 or cause == op:
            break
        op = cause
    return critical
