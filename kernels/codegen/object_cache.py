"""Keeps object code on disk, so that a process need not compile what another has compiled.

The folder is ``tfg`` in the user's cache folder (``$XDG_CACHE_HOME``, else ``~/.cache``). A file has a SHA-256 of its
name and object code, then the code; its name is the SHA-256 of all that the code depends on. Files are written whole
or not at all, several processes may share the folder, and anybody may delete it. A folder that cannot be written or
read, a file that is damaged or that another user could have written: each means that there is no such file, never an
error.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

# The size of the folder at which the files that have not been used for longest are deleted, and what is then left.
_MOST_BYTES = 64 << 20
_KEPT_BYTES = 48 << 20
# The largest file that is read: the code of a loop takes a few kilobytes.
_LARGEST_FILE = 8 << 20
_CHECKSUM_BYTES = hashlib.sha256().digest_size
_SUFFIX = ".o"
_UNFINISHED = ".tmp"
# The age in seconds at which the file of an interrupted writer is deleted, and at which a use is noted anew.
_ABANDONED_AFTER = 3600
_NOTED_AFTER = 24 * 3600


def cache_folder() -> Path | None:
    """Returns the folder of this user's object code, which may not exist; None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    if base.startswith(os.sep):
        return Path(base) / "tfg"
    try:
        return Path.home() / ".cache" / "tfg"
    except RuntimeError:
        return None


class ObjectCache:
    """The object code in a folder, by the texts that it depends on."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, *key: str) -> bytes | None:
        """Returns the object code for a key, None if there is none that can be trusted."""
        if self._folder is None:
            return None
        path = self._path(self._folder, key)
        try:
            if not _is_private(self._folder):
                return None
            # Not through a link, nor from a pipe that never ends.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                status = os.fstat(file.fileno())
                if not _is_own(status) or not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
                    return None
                data = file.read(_LARGEST_FILE)
        except (OSError, ValueError):
            return None
        code = data[_CHECKSUM_BYTES:]
        if not code or _checksum(path, code) != data[:_CHECKSUM_BYTES]:
            return None
        if time.time() - status.st_mtime > _NOTED_AFTER:
            with suppress(OSError):
                os.utime(path)
        return code

    def store(self, code: bytes, *key: str) -> None:
        """Writes object code for a key, and deletes old files if the folder has grown too large."""
        if self._folder is None or len(code) > _LARGEST_FILE - _CHECKSUM_BYTES:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self._folder):
                return
            path = self._path(self._folder, key)
            self._write(path, _checksum(path, code) + code)
            _shrink(self._folder)
        except (OSError, ValueError):
            # A full disk or a folder that may only be read: the next process compiles anew.
            return

    def _write(self, path: Path, data: bytes) -> None:
        unfinished = path.with_name(f"{path.stem}.{os.getpid()}{_UNFINISHED}")
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    @staticmethod
    def _path(folder: Path, key: tuple[str, ...]) -> Path:
        digest = hashlib.sha256()
        for part in key:
            encoded = part.encode()
            digest.update(b"%d:" % len(encoded) + encoded)
        return folder / f"{digest.hexdigest()}{_SUFFIX}"


def _checksum(path: Path, code: bytes) -> bytes:
    """The name is part of it, so that a file that was renamed is not taken for another."""
    return hashlib.sha256(path.name.encode() + code).digest()


def _is_private(folder: Path) -> bool:
    status = folder.stat()
    return stat.S_ISDIR(status.st_mode) and _is_own(status)


def _is_own(status: os.stat_result) -> bool:
    """True if nobody else can have written a file: code is executed, so it must be this user's."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _shrink(folder: Path) -> None:
    """Deletes what interrupted writers have left, and the oldest files where all take too many bytes."""
    now = time.time()
    found: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        status = path.lstat()
        if path.suffix == _SUFFIX:
            found.append((status.st_mtime, status.st_size, path))
        elif path.suffix == _UNFINISHED and now - status.st_mtime > _ABANDONED_AFTER:
            path.unlink()
    total = sum(size for _, size, _ in found)
    if total <= _MOST_BYTES:
        return
    for _, size, path in sorted(found):
        with suppress(OSError):
            path.unlink()
        total -= size
        if total <= _KEPT_BYTES:
            return
