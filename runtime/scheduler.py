"""What runs when: a pure state machine, without threads, clocks or numpy.

A program is a graph of *units*: a segment of nodes that runs as one call, or a single node that may have to
wait (a queue, a receive). Events go in, instructions come out: ``start`` and ``finished`` each give the units
that have become ready; whoever carries them out reports back.

State, per *tag* (which iteration of which frame; the root frame's is ``()``) and unit:

``waiting``   inputs that have not arrived
``dead``      whether one that arrived was dead: then the unit is not run, and all it would give is dead too

A merge is the exception: it is ready with its first live data input once all control inputs are there, and
dead only when every data input is (OSDI'16 section 3.4).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTROL = -1

# Frames and iterations from the outside in: (("while", 3),) is the fourth iteration of the loop "while".
Tag = tuple[tuple[str, int], ...]
ROOT: Tag = ()


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a unit, or its control output (port -1)."""

    unit: int
    port: int = CONTROL


@dataclass(frozen=True, slots=True)
class Unit:
    """``inputs`` are where its values come from, and what it must wait for; ``outputs`` counts its ports."""

    name: str
    inputs: tuple[Source, ...] = ()
    outputs: int = 0
    is_merge: bool = False


@dataclass(frozen=True)
class Program:
    """The units of a step, by number."""

    units: tuple[Unit, ...]

    @cached_property
    def readers(self) -> Sequence[Sequence[tuple[int, int]]]:
        """For every unit, who reads it: (port, reader), once per input."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.units]
        for number, unit in enumerate(self.units):
            for source in unit.inputs:
                found[source.unit].append((source.port, number))
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """The instruction to run a unit; ``live`` tells a merge which port of which unit it is to pass on."""

    unit: int
    tag: Tag = ROOT
    live: Source | None = None


@dataclass
class _Activation:
    """A unit that waits, under one tag."""

    waiting: int
    controls: int
    data: int
    dead: bool = False
    live: Source | None = None
    fired: bool = False


@dataclass
class Scheduler:
    """The state of one step."""

    program: Program
    running: set[tuple[Tag, int]] = field(default_factory=set[tuple[Tag, int]])
    dead_outputs: set[tuple[Tag, Source]] = field(default_factory=set[tuple[Tag, Source]])
    _activations: dict[tuple[Tag, int], _Activation] = field(
        default_factory=dict[tuple[Tag, int], _Activation]
    )

    @property
    def is_done(self) -> bool:
        """Whether nothing runs; then nothing is ready either, and what has not run waits for ever."""
        return not self.running

    def start(self) -> list[Run]:
        """The units that wait for nothing."""
        ready = [Run(number) for number, unit in enumerate(self.program.units) if not unit.inputs]
        return self._issue(ready)

    def finished(self, run: Run, dead: Iterable[int] = ()) -> list[Run]:
        """A unit has run, and of its ports these are dead. Returns the units that have become ready."""
        self.running.remove((run.tag, run.unit))
        ready: list[Run] = []
        deaths = deque([(run.tag, run.unit, frozenset(dead))])
        while deaths:
            tag, unit, dead_ports = deaths.popleft()
            for port in dead_ports:
                self.dead_outputs.add((tag, Source(unit, port)))
            for port, reader in self.program.readers[unit]:
                state = self._activation(tag, reader)
                verdict = self._arrive(state, Source(unit, port), port in dead_ports)
                if verdict == "ready":
                    ready.append(Run(reader, tag, state.live))
                elif verdict == "dead":
                    # Nothing of it runs, and the news goes on without anybody's help.
                    ports = range(CONTROL, self.program.units[reader].outputs)
                    deaths.append((tag, reader, frozenset(ports)))
        return self._issue(ready)

    def stuck(self) -> list[str]:
        """The names of the units that still wait, for an error that says so."""
        return [self.program.units[unit].name for (_, unit), a in self._activations.items() if not a.fired]

    def _issue(self, ready: list[Run]) -> list[Run]:
        self.running.update((run.tag, run.unit) for run in ready)
        return ready

    def _activation(self, tag: Tag, number: int) -> _Activation:
        found = self._activations.get((tag, number))
        if found is None:
            inputs = self.program.units[number].inputs
            controls = sum(source.port == CONTROL for source in inputs)
            merge = self.program.units[number].is_merge
            found = _Activation(len(inputs), controls if merge else -1, len(inputs) - controls)
            self._activations[tag, number] = found
        return found

    def _arrive(self, state: _Activation, source: Source, is_dead: bool) -> str:
        """Takes note of an input; ``ready`` or ``dead`` if that settles the unit, ``waits`` if not."""
        state.waiting -= 1
        if state.controls < 0:
            state.dead = state.dead or is_dead
            if state.waiting:
                return "waits"
            state.fired = True
            return "dead" if state.dead else "ready"
        return self._arrive_at_merge(state, source, is_dead)

    def _arrive_at_merge(self, state: _Activation, source: Source, is_dead: bool) -> str:
        if source.port == CONTROL:
            state.controls -= 1
        elif is_dead:
            state.data -= 1
        elif state.live is None:
            state.live = source
        if state.fired or state.controls:
            return "waits"
        if state.live is not None:
            state.fired = True
            return "ready"
        if state.data == 0:
            state.fired = True
            return "dead"
        return "waits"
