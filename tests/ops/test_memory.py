"""A peak of memory is over: what was free is the system's again."""

import ctypes
import subprocess
import sys

import pytest

PEAK = """
import anyio, re
from pathlib import Path
from blog.ops import memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

async def main():
    memory._SECONDS = 0.01
    async with anyio.create_task_group() as background:
        background.start_soon(memory.give_back)
        await anyio.sleep(0.05)  # it has seen how little is free
        before = resident()
        values = [bytes(300) for _ in range(400_000)]
        peak = resident()
        rest = values[::1_000]  # lie scattered over all of it
        del values
        with anyio.fail_after(20):
            while resident() - before > (peak - before) / 4:
                await anyio.sleep(0.01)
        assert len(rest) == 400
        print(peak - before)
        background.cancel_scope.cancel()

anyio.run(main)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no C library that can be asked, such as glibc")
def test_what_a_peak_took_is_given_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PEAK], env={"PYTHONMALLOC": "malloc"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 100, "MB were taken"
