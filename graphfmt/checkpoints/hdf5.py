"""What tfg asks of HDF5 beyond h5py."""

from __future__ import annotations


def reason(error: Exception) -> str:
    """What HDF5 found, without the function's name around it."""
    return str(error).strip("'").removeprefix("Unable to synchronously open file (").removesuffix(")")
