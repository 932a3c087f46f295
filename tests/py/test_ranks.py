"""Jobs over several ranks that mpirun starts together (one machine): the same bits as one rank makes, stopped by a kill
and gone on with by another number of ranks."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from conftest import ROOT, folder
from test_comm import LOCAL
from test_posterior import bits, contents

sys.path.insert(0, str(ROOT / "tests" / "fault"))
import invariants  # noqa: E402 (the path is set above)
from house import House, descendants, until  # noqa: E402

pytestmark = pytest.mark.slow
MODEL = {"preset": "porqueres23", "field": {"npix": 16}, "lpt": {"mesh": [16, 16, 32]}}
POSTERIOR = {"kind": "posterior", "name": "ranks", "seed": 3, "model": MODEL, "data": {"mock": {"seed": 7}},
             "sampler": {"algorithm": "hmc", "chains": 2, "warmup": 12, "draws": 12,
                         "fields": {"keep": "thin", "every": 4}}}
SHEAR = {"kind": "simulate", "seed": 5, "count": 3, "outputs": ["convergence", "shear", "spectra"],
         "model": {**MODEL, "observable": "shear", "lpt": {**MODEL["lpt"], "order": 2, "paint": "tsc"}}}
DRAWS = {"kind": "draws", "seed": 5, "count": 5, "chunk": 3, "scores": True, "model": MODEL}
SPECTRUM = {"kind": "spectrum", "ell": [40, 100, 300], "model": MODEL, "data": {"mock": {"seed": 7}}}


@pytest.fixture
def start(ffworker, tmp_path):
    """Starts a job over so many ranks."""
    if not shutil.which("mpirun"):
        pytest.skip("there is no mpirun")

    def run(job, name, ranks, *options):
        spec = tmp_path / "job.json"
        spec.write_text(json.dumps(job))
        head = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
        command = [*head, ffworker, "--job", spec, "-o", tmp_path / f"{name}.h5", "--threads", "1", *options]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env={**os.environ, **LOCAL, "TMPDIR": str(tmp_path)})

    return run


@pytest.fixture
def result_of(start, tmp_path):
    def run(job, name, ranks, *options):
        process = start(job, name, ranks, *options)
        _, words = process.communicate(timeout=240)
        assert process.returncode == 0, words
        return contents(tmp_path / f"{name}.h5")

    return run


def assert_same(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if bits(one[name]) != bits(other[name])]
    assert not different


@pytest.mark.parametrize("job", [POSTERIOR, SHEAR, DRAWS, SPECTRUM], ids=lambda job: job["kind"])
def test_bits_do_not_depend_on_ranks(result_of, tmp_path, job):
    alone = result_of(job, "alone", 1)
    for ranks in (2, 3):
        assert_same(alone, result_of(job, f"ranks{ranks}", ranks))
        with h5py.File(tmp_path / f"ranks{ranks}.h5") as f:
            assert f.attrs["ranks"] == ranks


def test_initial_conditions_are_white(result_of):
    job = {**POSTERIOR, "sampler": {**POSTERIOR["sampler"], "chains": 1}}
    found = result_of(job, "white", 2)
    mean, sd = found["maps/initial_mean"], found["maps/initial_sd"]
    assert mean.shape == sd.shape == (32, 16, 16)
    # twelve correlated draws of mostly prior: mean square of the mean and of the sd add up to the variance, 1
    assert np.mean(mean**2) + np.mean(sd**2) * 11 / 12 == pytest.approx(1, abs=0.05)


def test_killed_over_two_ranks_goes_on_over_three(start, result_of):
    alone = result_of(POSTERIOR, "alone", 1)
    process = start(POSTERIOR, "killed", 2, "--checkpoint-every", "0.05")
    draws = 0
    for line in process.stdout:
        draws += json.loads(line)["type"] == "sample"
        if draws == 18:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)  # mpirun is dead, its ranks see that by themselves
    assert_same(alone, result_of(POSTERIOR, "killed", 3, "--resume"))


@pytest.mark.parametrize("job, says", [
    ({**POSTERIOR, "data": {"dataset": "@nowhere.h5"}}, "nowhere.h5"),
    ({"kind": "draws", "count": 4, "model": {"preset": "lsst-y10", "field": {"npix": 16}}}, "/resources/ranks"),
], ids=["no file", "no ranks"])
def test_all_ranks_say_one_error(start, tmp_path, job, says):
    process = start(job, "broken", 2)
    out, words = process.communicate(timeout=60)
    assert process.returncode != 0
    assert words.count("ffworker: ") == 1 and says in words
    assert json.loads(out.splitlines()[-1])["type"] == "end"
    assert not (tmp_path / "broken.h5").exists()




# ---- gangs ----


def write_maps(path):
    rng = np.random.default_rng(5)
    with h5py.File(path, "w") as f:
        f["convergence"] = (0.02 * rng.standard_normal((4, 16, 16))).astype("f4")
        f["noise_sd"] = np.full((4, 16, 16), 0.02, "f4")
        f.attrs.update(size_deg=16.0, ra_deg=0.0, dec_deg=0.0)


def test_a_gang_that_loses_a_rank_gives_way_to_another_of_more(ffworker, result_of, tmp_path):
    """Data that only rank 0 can see, and no shared store; the bits are those of one process."""
    write_maps(tmp_path / "maps.h5")
    sampler = {**POSTERIOR["sampler"], "draws": 30}
    spec = {**POSTERIOR, "data": {"dataset": "@maps.h5"}, "sampler": sampler, "resources": {"ranks": 2}}
    alone = result_of(spec, "alone", 1)
    with House(folder("FF_BIN", "build/bin").parent, options=["--lease-ms", "3000"]) as house:
        house.start()
        gang = house.gang(ranks=2, shared=False)
        house.wait_for_gangs(1, 30)
        reply = house.api.post("/v1/datasets", (tmp_path / "maps.h5").read_bytes(),
                               headers={"Content-Type": "application/x-hdf5"})
        assert reply.status == 201, reply
        job = house.submit({**spec, "data": {"dataset": reply.json()["id"]}})
        house.wait_for_progress(job, 60, least=15)
        os.kill(descendants(gang.pid)[-1], signal.SIGKILL)  # one of mpirun's ranks
        until(gang.ended, 30, "the gang ends with its rank")
        house.gang(ranks=3, shared=False)
        found = house.succeed(job, 120)
        assert found["attempts"] == 2
        (tmp_path / "gang.h5").write_bytes(house.download(job).read_bytes())
        assert house.stop_server() == 0
        invariants.check(house.data)
    gangs = contents(tmp_path / "gang.h5")
    assert json.loads(gangs.pop("@spec"))["data"] == json.loads(alone.pop("@spec"))["data"]
    assert_same(alone, gangs)
