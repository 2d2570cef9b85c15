"""The lock of a state file: one process at a time, and none that a killed process leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tfg
from tfg.graphfmt.file_lock import locked

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom tfg.graphfmt.file_lock import locked\n"
    "with locked(Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(60)\n"
)


def test_a_second_process_is_refused_until_the_first_has_ended_even_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(tfg.TfgError, match=f"in use by process {holder.pid}") as caught, locked(path):
            pass
        assert caught.value.status == "UNAVAILABLE"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []
