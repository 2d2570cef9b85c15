"""The process that tries inputs: it may crash or hang, which its parent notices."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

from .findings import Finding
from .minimise import minimise
from .targets import TARGETS

# Bytes of address space of the process: larger claims get a MemoryError.
ADDRESS_SPACE = 3 << 30
# Bytes of memory in use by which one input may exceed all before.
MEMORY = 1536 << 20


@dataclass(frozen=True)
class Job:
    """Inputs ``first``, ``first + 1``, … of a seed, until ``end`` (of the clock) or ``count`` of them.

    ``folder`` takes ``progress``, the number of the input at hand, and ``findings.jsonl``; the minimised inputs go to
    ``corpus``.
    """

    seed: int
    first: int
    count: int
    end: float
    targets: tuple[str, ...]
    folder: Path
    corpus: Path


def make_input(seed: int, number: int, targets: tuple[str, ...]) -> tuple[str, bytes | None]:
    """Returns the target and the bytes of an input; the bytes are None if none could be made."""
    rng = Random(f"{seed}/{number}")
    name = rng.choices(targets, [TARGETS[target].weight for target in targets])[0]
    return name, TARGETS[name].make(rng)


def run(job: Job) -> None:
    """Tries the inputs of a job, and records the findings."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    known = _known_places(job.folder)
    progress = os.open(job.folder / "progress", os.O_CREAT | os.O_WRONLY)
    for number in range(job.first, job.first + job.count):
        os.pwrite(progress, f"{number:20}".encode(), 0)
        if time.monotonic() > job.end:
            return
        name, data = make_input(job.seed, number, job.targets)
        if data is None:
            continue
        found = check(name, data)
        if found is not None and found.place not in known:
            known.add(found.place)
            _record(job, number, name, data, found)
    os.pwrite(progress, f"{job.first + job.count:20}".encode(), 0)


def check_apart(name: str, data: bytes) -> str:
    """Tries an input in a process of its own under the limits of the fuzzer; returns the finding in words, or ""."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            found = check(name, data)
            os.write(writing, str(found or "").encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        words = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return words or (f"crash: {status}" if status else "")


def check(name: str, data: bytes) -> Finding | None:
    """Tries an input in an empty folder."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        found = TARGETS[name].check(Path(folder), data)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if found is None and used > MEMORY:
        return Finding(f"memory {name}", f"{used >> 20} MB")
    return found


def _record(job: Job, number: int, name: str, data: bytes, found: Finding) -> None:
    small = data
    if not found.place.startswith(("slow", "memory")):
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
            small = minimise(
                data,
                lambda smaller: getattr(check(name, smaller), "place", None) == found.place,
                Path(folder),
                is_graph=name.startswith("graph"),
            )
    add_to_corpus(job.corpus, name, small, found)
    with (job.folder / "findings.jsonl").open("a", encoding="utf-8") as file:
        print(json.dumps([number, name, found.place, found.message]), file=file)


def add_to_corpus(corpus: Path, name: str, data: bytes, found: Finding) -> Path:
    """Writes an input to the corpus, under the name of its target and of the place of the fault."""
    words = "".join(c if c.isalnum() else "_" for c in found.place)[:80].strip("_")
    suffix = ".pbtxt" if name.startswith("graph") else ".bin"
    path = corpus / f"{name}--{words}{suffix}"
    corpus.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _known_places(folder: Path) -> set[str]:
    file = folder / "findings.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {json.loads(line)[2] for line in lines}
