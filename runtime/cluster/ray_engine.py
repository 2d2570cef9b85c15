"""The engine of clusters: Ray starts the processes of tasks, carries calls to them, and notices when they end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError
from .failures import TaskLostError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from .engine import Answer
    from .spec import ClusterSpec
    from .task import TaskSettings

# Methods of a task that answer at once, on threads that no step occupies.
_CONTROL = frozenset({"abort", "ping"})
# Seconds in which a task must have started.
_START_TIMEOUT = 60.0
_CONTROL_THREADS = 4
# One for all clusters of this process, because Ray reads it once.
_TOKEN = secrets.token_hex(32)
_OBJECT_STORE = 2 * 10**9


class RayTask:
    """Implements ``TaskHandle``."""

    def __init__(self, ray: Any, name: str, actor: Any, pid: int) -> None:
        self._ray = ray
        self.name = name
        self._actor = actor
        self.pid = pid

    def call(self, method: str, arguments: Sequence[Any], answer: Answer) -> None:
        caller = self._actor.control if method in _CONTROL else self._actor.work
        try:
            future = caller.remote(method, tuple(arguments)).future()
        except self._ray.exceptions.RayError:
            answer(None, self._lost())
            return
        future.add_done_callback(partial(self._answer, answer))

    def _answer(self, answer: Answer, done: Any) -> None:
        try:
            result = done.result()
        except Exception:
            # Methods return their failures, so that an exception tells of the process.
            answer(None, self._lost())
        else:
            answer(result, None)

    def _lost(self) -> TaskLostError:
        return TaskLostError(self.name, f"has ended: its process {self.pid} is gone")

    def kill(self) -> None:
        with contextlib.suppress(Exception):
            self._ray.kill(self._actor)


class RayEngine:
    """Implements ``Engine``. Ray itself is started, or joined, with the first tasks, and stays until ``close``."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._ray: Any = None
        self._folder: Path | None = None
        self._tasks: dict[str, RayTask] = {}

    def start(self, settings: Sequence[TaskSettings], calls: int) -> Mapping[str, RayTask]:
        if self._ray is None:
            self._ray = self._opened()
        ray = self._ray
        from .ray_actor import TaskActor

        groups = {"run": calls + 1, "control": _CONTROL_THREADS}
        make = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0, concurrency_groups=groups)(
            TaskActor
        )
        actors = {one.name: self._actor(make, one) for one in settings}
        try:
            opened = self._get({name: actor.open.remote() for name, actor in actors.items()})
            peers = {name: peer for name, (peer, _) in opened.items()}
            self._get({name: actor.connect.remote(peers) for name, actor in actors.items()})
        except BaseException:
            for actor in actors.values():
                ray.kill(actor)
            raise
        self._tasks = {name: RayTask(ray, name, actor, opened[name][1]) for name, actor in actors.items()}
        return self._tasks

    def _actor(self, make: Any, settings: TaskSettings) -> Any:
        host = self._spec.host(settings.name)
        node = self._spec.node(settings.name)
        options = {} if node is None else {"resources": {f"node:{node}": 0.001}}
        return make.options(**options).remote(settings, host, str(Path.cwd()))

    def _get(self, references: Mapping[str, Any]) -> dict[str, Any]:
        """The results of calls by task. Raises UNAVAILABLE, naming the task that could not be started."""
        exceptions = self._ray.exceptions
        results: dict[str, Any] = {}
        for task, reference in references.items():
            try:
                results[task] = self._ray.get(reference, timeout=_START_TIMEOUT)
            except exceptions.GetTimeoutError:
                why = f"has not started within {_START_TIMEOUT:.0f} s"
                raise TfgError(Status.UNAVAILABLE, f"{task} {why}") from None
            except exceptions.RayError as error:
                first = str(error).strip().splitlines()[-1]
                raise TfgError(Status.UNAVAILABLE, f"{task} could not be started: {first}") from None
        return results

    def _opened(self) -> Any:
        """Starts Ray on this machine, or joins the cluster that the specification names."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
        if self._spec.ray_address is None:
            options |= self._local_options()
        else:
            options["address"] = self._spec.ray_address
        ray = imported_ray()
        _silence(ray)
        try:
            with _own_signal_handlers():
                ray.init(**options)
        except Exception as error:
            self.close()
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise TfgError(Status.UNAVAILABLE, f"Ray could not be started: {lines[0]}") from error
        return ray

    def _local_options(self) -> dict[str, Any]:
        """The options of a Ray of this process's own, which takes calls from nobody without its token."""
        self._folder = Path(tempfile.mkdtemp(prefix="tfg-"))
        if "ray" not in sys.modules:
            # Ray reads how to authenticate when it is imported; a program that has imported it decides itself.
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ.setdefault("RAY_AUTH_TOKEN", _TOKEN)
        return {
            "address": "local",
            "num_cpus": len(self._spec.machine.devices),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(self._folder),
            "object_store_memory": _OBJECT_STORE,
        }

    def stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.kill()

    def close(self) -> None:
        self.stop()
        if self._ray is not None:
            with contextlib.suppress(Exception):
                self._ray.shutdown()
            self._ray = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def imported_ray() -> Any:
    """Ray. Raises FAILED_PRECONDITION, with the line that installs it, where it is missing."""
    try:
        import ray
        import zmq as _  # noqa: F401
    except ImportError as error:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"a cluster needs {error.name}, which is not installed",
            hint="pip install 'tfg[cluster]'",
        ) from None
    return ray


def _silence(ray: Any) -> None:
    """Keeps Ray from writing to standard output, where results are: it tells there of processes that died."""
    with contextlib.suppress(ImportError, AttributeError):
        from ray._private import worker

        worker.print_to_stdstream = _print_nothing  # pyright: ignore


@contextlib.contextmanager
def _own_signal_handlers() -> Generator[None]:
    """Keeps this process's handlers of signals, which Ray would replace by its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _print_nothing(*values: Any, **options: Any) -> None:
    """Takes what Ray would print."""
