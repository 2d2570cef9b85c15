"""A lock that keeps two processes from writing the same file, so that neither replaces the other's work.

The lock of ``run.h5`` is the file ``.run.h5.lock`` beside it, which holds the process's number. The system releases the
lock of a process that dies, so the file that it leaves is no obstacle.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Location, Status, TfgError
from .files import file_error

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Holds the lock of a file. Raises UNAVAILABLE, with the number of the process, where another one holds it."""
    target = Path(os.path.realpath(path))
    name = target.with_name(f".{target.name[:200]}.lock")
    try:
        descriptor = _acquire(name, path)
    except OSError as error:
        raise file_error(error, "locked", str(path)) from error
    try:
        yield
    finally:
        # Before the lock is released: afterwards, the file may be another process's.
        name.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(name: Path, path: Path) -> int:
    import fcntl

    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise _in_use(path, holder) from None
        except OSError:
            # A file system without locks.
            return descriptor
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), name.stat()):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
        # The process that held it has just removed the file.
        os.close(descriptor)


def _in_use(path: Path, holder: str) -> TfgError:
    by = f"process {holder}" if holder else "another process"
    return TfgError(
        Status.UNAVAILABLE,
        f"{str(path)!r} is in use by {by}, which will replace it",
        location=Location(str(path)),
        hint="wait until it has ended, or use another file",
    )
