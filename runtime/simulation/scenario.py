"""The numbers that describe a training on many workers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Workload:
    """A worker's share of one step.

    Attributes:
        compute: seconds of computation, without waits.
        fetched: bytes of parameters that a worker reads from the servers.
        pushed: bytes of gradients that it sends to them.
        items: examples that it reads.
    """

    compute: float = 0.0
    fetched: int = 0
    pushed: int = 0
    items: int = 1

    @property
    def moved(self) -> int:
        """The bytes that a worker reads and sends."""
        return self.fetched + self.pushed


@dataclass(frozen=True)
class Network:
    """The links between workers and servers.

    Attributes:
        servers: number of parameter servers, over which the parameters are spread evenly.
        latency: seconds that a message takes one way.
        worker_rate, server_rate: bytes a second that go through the link of one worker, and of one server.
        overhead: seconds that a step takes besides computing and moving.
        fan_out: further seconds for each worker that takes part in it.
    """

    servers: int = 1
    latency: float = 0.0
    worker_rate: float = 1e9
    server_rate: float = 1e9
    overhead: float = 0.0
    fan_out: float = 0.0


@dataclass(frozen=True)
class Variability:
    """Differences between the computing times of workers.

    Attributes:
        jitter: standard deviation of the time, as a share of its mean; the distribution is log-normal.
        straggling: probability that a worker straggles in a step.
        slowdown: share by which the computation of one that straggles takes longer.
    """

    jitter: float = 0.0
    straggling: float = 0.0
    slowdown: float = 0.0

    @property
    def mean(self) -> float:
        """The mean computing time, as a multiple of that without stragglers."""
        return 1 + self.straggling * self.slowdown


@dataclass(frozen=True)
class Reliability:
    """Failures of tasks, and what they cost.

    Attributes:
        lifetime: mean seconds between the failures of one task; infinite where none fails.
        restart: seconds from a failure to the first step after it.
        saving: seconds for which training stands still while a checkpoint is written.
        interval: seconds of training between two checkpoints; None for the best.
    """

    lifetime: float = float("inf")
    restart: float = 0.0
    saving: float = 0.0
    interval: float | None = None


@dataclass(frozen=True)
class Scenario:
    """A training, on any number of workers.

    Attributes:
        is_synchronous: the workers' gradients are applied together, once a step; otherwise each as it comes.
        samples: steps that are drawn for each number of workers.
        seed: of the random numbers.
    """

    workload: Workload
    network: Network = field(default_factory=Network)
    variability: Variability = field(default_factory=Variability)
    reliability: Reliability = field(default_factory=Reliability)
    is_synchronous: bool = True
    samples: int = 2000
    seed: int = 0
