"""What the Python tests share: where the binaries are, how a job is run. FF_BIN names the folder of ffworker and ffctl
(default build/bin), FF_SHARED the folder of shared data (default ../shared), both relative to the root of the tree."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def folder(variable, default):
    return (ROOT / os.environ.get(variable, default)).resolve()


def program(name):
    path = folder("FF_BIN", "build/bin") / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


@pytest.fixture(scope="session")
def ffworker():
    return program("ffworker")


@pytest.fixture(scope="session")
def ffctl():
    return program("ffctl")


@pytest.fixture(scope="session")
def run_job(ffworker):
    """Runs a job (a dict) with ffworker in `where` and returns (result path, exit status, stderr)."""

    def run(job, where, name="job", threads=2, timeout_s=240):
        spec, result = where / f"{name}.json", where / f"{name}.h5"
        spec.write_text(json.dumps(job))
        done = subprocess.run([ffworker, "--job", spec, "-o", result, "--threads", str(threads)], cwd=ROOT,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False)
        return result, done.returncode, done.stderr

    return run
