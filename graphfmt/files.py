"""Whole files: what the system refuses becomes a TfgError, and nobody ever sees half a file."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import Location, Status, TfgError

STANDARD = "-"

_TEMPORARY = re.compile(r"[0-9a-f]{12}\.tmp")


def read_file(path: str | Path) -> tuple[bytes, str]:
    """A file's bytes and its name for messages; ``-`` is standard input.

    Raises NOT_FOUND, PERMISSION_DENIED, or FAILED_PRECONDITION for what is no readable file.
    """
    if str(path) == STANDARD:
        data = sys.stdin.buffer.read()
        if not data:
            raise TfgError(Status.INVALID_ARGUMENT, "standard input is empty", location=Location("<stdin>"))
        return data, "<stdin>"
    try:
        return Path(path).read_bytes(), str(path)
    except (OSError, ValueError, MemoryError) as error:
        raise file_error(error, "read", str(path)) from error


def write_file(path: str | Path, data: bytes) -> None:
    """Writes a file as a whole or not at all; ``-`` is standard output.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (a full disk) or FAILED_PRECONDITION.
    """
    if str(path) == STANDARD:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a pipe or a device
        else:
            _replace(target, data)
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error


def _replace(target: Path, data: bytes) -> None:
    with _beside(target) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """A new, empty file to be written within; what is in it takes the place of ``path`` in the end, or of
    nothing where writing fails.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED or FAILED_PRECONDITION.
    """
    try:
        with _beside(Path(os.path.realpath(path))) as temporary:
            yield temporary
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error


@contextmanager
def _beside(target: Path) -> Generator[Path]:
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
    """A new, empty file in the folder of ``target``, as a path and a descriptor. It is gone in the end unless
    it was renamed. Raises OSError."""
    sweep(target)
    temporary, descriptor = _locked_beside(target)
    try:
        yield temporary, descriptor
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _locked_beside(target: Path) -> tuple[Path, int]:
    """A new file that is locked until it has its name, so that others see that it is being written."""
    import fcntl

    while True:
        # The name is cut, for a long one plus the suffix may be longer than a file system takes.
        temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Before it was locked, another writer may have taken it for one that was left behind.
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def unlock(descriptor: int) -> None:
    """Lets go of a file before it is closed."""
    import fcntl

    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def check_writable(target: Path) -> None:
    """Raises OSError for what is no file, or may not be written."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is read-only")


def sweep(target: Path) -> None:
    """Removes what writers of this file left behind that were killed; nobody holds those files."""
    head = f".{target.name[:100]}."
    for path in target.parent.iterdir():
        if path.name.startswith(head) and _TEMPORARY.fullmatch(path.name, len(head)):
            with suppress(OSError):
                _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    import fcntl

    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Makes the names in a folder last, as fsync does a file's bytes. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_error(error: Exception, what: str, name: str) -> TfgError:
    location = Location(name)
    if isinstance(error, FileNotFoundError):
        missing = "there is no such file" if what == "read" else "there is no such folder"
        return TfgError(Status.NOT_FOUND, f"{name} cannot be {what}: {missing}", location=location)
    if isinstance(error, PermissionError):
        return TfgError(
            Status.PERMISSION_DENIED, f"{name} cannot be {what}: no permission", location=location
        )
    if isinstance(error, IsADirectoryError):
        return TfgError(
            Status.FAILED_PRECONDITION, f"{name} cannot be {what}: it is a folder", location=location
        )
    reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
    full = isinstance(error, MemoryError) or getattr(error, "errno", None) in _FULL
    status = Status.RESOURCE_EXHAUSTED if full else Status.FAILED_PRECONDITION
    return TfgError(status, f"{name!r} cannot be {what}: {reason}", location=location)


def _full_codes() -> frozenset[int]:
    import errno

    return frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM})


_FULL = _full_codes()
