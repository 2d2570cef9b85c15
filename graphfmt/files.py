"""Reading and atomic writing of files. System errors are raised as TfgError; no reader ever sees a partial file."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import Location, Status, TfgError

STANDARD = "-"

_TEMPORARY = re.compile(r"[0-9a-f]{12}\.tmp")


def read_file(path: str | Path) -> tuple[bytes, str]:
    """Reads a file; returns its bytes and its name for error messages. ``-`` is standard input.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED or FAILED_PRECONDITION; INVALID_ARGUMENT for empty
    standard input.
    """
    if str(path) == STANDARD:
        data = read_standard_input()
        if not data:
            raise TfgError(Status.INVALID_ARGUMENT, "standard input is empty", location=Location("<stdin>"))
        return data, "<stdin>"
    try:
        return Path(path).read_bytes(), str(path)
    except (OSError, ValueError, MemoryError) as error:
        raise file_error(error, "read", str(path)) from error


def check_regular(path: Path) -> None:
    """Raises NOT_FOUND for a file that does not exist, FAILED_PRECONDITION for a folder, a pipe or a device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise file_error(error, "read", str(path)) from error
    if stat.S_ISDIR(mode):
        raise file_error(IsADirectoryError(), "read", str(path))
    if not stat.S_ISREG(mode):
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"{str(path)!r} cannot be read: it is a pipe or a device, and parts of it must be read again",
            hint="save it in a file first",
            location=Location(str(path)),
        )


def write_file(path: str | Path, data: bytes) -> None:
    """Writes a file atomically; ``-`` is standard output.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (a full disk) or FAILED_PRECONDITION.
    """
    if str(path) == STANDARD:
        stream = standard_output()
        stream.write(data)
        stream.flush()
        return
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a pipe or a device
        else:
            _replace_file(target, data)
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error


def read_standard_input() -> bytes:
    """Returns all bytes of standard input. Raises FAILED_PRECONDITION if the process was started without one."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TfgError(Status.FAILED_PRECONDITION, "standard input is closed", location=Location("<stdin>"))
    return sys.stdin.buffer.read()


def standard_output() -> BinaryIO:
    """Returns standard output for bytes, after any text before them.

    Raises FAILED_PRECONDITION if the process was started without one.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TfgError(Status.FAILED_PRECONDITION, "standard output is closed", location=Location("<stdout>"))
    sys.stdout.flush()
    return sys.stdout.buffer


def _replace_file(target: Path, data: bytes) -> None:
    with _replacement(target) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Yields a new, empty file, which replaces ``path`` at the end; if the body raises, ``path`` is unchanged.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED or FAILED_PRECONDITION.
    """
    try:
        with _replacement(Path(os.path.realpath(path))) as temporary:
            yield temporary
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error


@contextmanager
def _replacement(target: Path) -> Generator[Path]:
    check_writable(target)
    with reserved(target) as (temporary, descriptor):
        yield temporary
        os.fsync(descriptor)
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
        unlock(descriptor)
        flush_folder(target.parent)


@contextmanager
def reserved(target: Path) -> Generator[tuple[Path, int]]:
    """Yields a new, empty file in the folder of ``target``, as a path and a descriptor; unless renamed, it is deleted.

    Raises OSError.
    """
    _remove_abandoned(target)
    temporary, descriptor = _create_locked(target)
    try:
        yield temporary, descriptor
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _create_locked(target: Path) -> tuple[Path, int]:
    """Creates a temporary file, locked so that other writers of ``target`` do not take it for an abandoned one."""
    import fcntl

    while True:
        # A long name plus the suffix may exceed the limit of the file system.
        temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Before the lock, another writer may have removed it as abandoned.
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def unlock(descriptor: int) -> None:
    """Releases the lock of a file before it is closed."""
    import fcntl

    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def check_writable(target: Path) -> None:
    """Raises OSError for a folder and for a file that may not be written."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is read-only")


def _remove_abandoned(target: Path) -> None:
    """Removes the temporary files of killed writers of this file; those hold no lock."""
    head = f".{target.name[:100]}."
    for path in target.parent.iterdir():
        if path.name.startswith(head) and _TEMPORARY.fullmatch(path.name, len(head)):
            with suppress(OSError):
                _remove_unless_locked(path)


def _remove_unless_locked(path: Path) -> None:
    import fcntl

    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Makes renames in a folder durable, as fsync does the bytes of a file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_error(error: Exception, action: str, name: str) -> TfgError:
    """Returns the TfgError for a system error; ``action`` is ``read`` or ``written``."""
    location = Location(name)
    if isinstance(error, FileNotFoundError):
        missing = "there is no such file" if action == "read" else "there is no such folder"
        return TfgError(Status.NOT_FOUND, f"{name} cannot be {action}: {missing}", location=location)
    if isinstance(error, PermissionError):
        return TfgError(
            Status.PERMISSION_DENIED, f"{name} cannot be {action}: no permission", location=location
        )
    if isinstance(error, IsADirectoryError):
        return TfgError(
            Status.FAILED_PRECONDITION, f"{name} cannot be {action}: it is a folder", location=location
        )
    if getattr(error, "errno", None) == errno.EBADF and action == "written":
        return TfgError(
            Status.FAILED_PRECONDITION, "standard output is closed", location=Location("<stdout>")
        )
    reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
    status = Status.RESOURCE_EXHAUSTED if is_exhausted(error) else Status.FAILED_PRECONDITION
    return TfgError(status, f"{name!r} cannot be {action}: {reason}", location=location)


def is_exhausted(error: Exception) -> bool:
    """Returns True if memory, a disk or a quota is full."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _FULL


def _full_codes() -> frozenset[int]:
    import errno

    return frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM})


_FULL = _full_codes()
