"""The communicator over MPI: the claims of tests/unit/core/comm_test.c over several ranks, the same bits of transforms
and of light-cones (tests/unit/sim/cone_ranks_test.c) over any number of them, and what becomes of a group that loses
one. Ranks of one machine only: no network is needed."""
import os
import shutil
import subprocess

import pytest

from conftest import folder

# Ranks talk through shared memory and are started through loopback, whatever the machine's network is.
LOCAL = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OMPI_MCA_plm_rsh_agent": "",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
COMM, CONE = "core/comm_test", "sim/cone_ranks_test"
CLAIMS = {COMM: 13, CONE: 2}  # of a rank
BITS = {COMM: 8, CONE: 18}  # meshes and boxes of which the bits are printed, half of them in float, half in double


@pytest.fixture(scope="module")
def mpirun(tmp_path_factory):
    if not shutil.which("mpirun"):
        pytest.skip("there is no mpirun")
    where = tmp_path_factory.mktemp("m")

    def run(ranks, name=COMM, fault=None, timeout_s=60):
        test = folder("FF_BIN", "build/bin").parent / "tests" / name
        if not test.exists():
            pytest.skip(f"{test} is not built")
        environment = {**os.environ, **LOCAL, "TMPDIR": str(where)}
        if fault:
            environment["FF_COMM_FAULT"] = fault
        return subprocess.run(["mpirun", "-n", str(ranks), test], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout_s, check=False)

    return run


@pytest.fixture(scope="module")
def claims(mpirun):
    """What a program says, by its name and the number of ranks."""
    said = {}

    def ask(ranks, name):
        if (ranks, name) not in said:
            said[ranks, name] = mpirun(ranks, name)
        return said[ranks, name]

    return ask


@pytest.mark.parametrize("name", [COMM, CONE])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_the_claims_hold_over_ranks(claims, ranks, name):
    done = claims(ranks, name)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("# rank")) == [f"# rank {r} of {ranks}"
                                                                          for r in range(ranks)]
    assert sum(line.startswith("ok ") for line in lines) == CLAIMS[name] * ranks, done.stdout
    assert not any(line.startswith("not ok") for line in lines), done.stdout


@pytest.mark.parametrize("name", [COMM, CONE])
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_bits_are_those_of_one_rank(claims, ranks, name):
    alone, many = ([line for line in claims(n, name).stdout.splitlines() if line.startswith("# bits")]
                   for n in (1, ranks))
    assert len(alone) == BITS[name] and len({tuple(line.split()[3:5]) for line in alone}) == BITS[name], alone
    assert many == alone


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_dies_ends_the_group(mpirun, rank):
    done = mpirun(2, fault=f"{rank}:die", timeout_s=30)
    assert done.returncode == 137 and "went on" not in done.stdout, done.stdout + done.stderr


def test_a_rank_that_gives_up_ends_the_group(mpirun):
    done = mpirun(3, fault="1:abort", timeout_s=30)
    assert done.returncode == 77 and "went on" not in done.stdout, done.stdout + done.stderr
