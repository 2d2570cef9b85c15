"""Whole files: what the system refuses becomes a TfgError, and nobody ever sees half a file."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from .errors import Location, Status, TfgError

STANDARD = "-"


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
        raise _refused(error, "read", str(path)) from error


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
        raise _refused(error, "written", str(path)) from error


def _replace(target: Path, data: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is read-only")
    # The name is cut, for a long one plus the suffix may be longer than a file system takes.
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _refused(error: Exception, what: str, name: str) -> TfgError:
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
