"""Checkpoints that are cut or belong to something else; numbers that are none."""
import hashlib
import json
import pathlib
import signal
import struct
import subprocess
import tempfile

import h5py
import numpy as np

from house import Program, until
from jobs import MODEL, differences, noop, posterior
from scenarios import row

HEAD = struct.Struct("<8sQQQ")  # magic, generation, bytes of the identity, of the payload; SHA-256 of all at the end


@row(14)
def truncated_checkpoint(world):
    """truncated checkpoint"""
    with world.house() as house:
        gang = house.gang()
        house.wait_for_gangs(1)
        spec = posterior(draws=120, warmup=40, chains=1, npix=8)
        job = house.submit(spec)
        folder = house.work(job, "chain-0", 1)
        until(lambda: (folder / "chain-0.a").exists() and (folder / "chain-0.b").exists() and
              (folder / "chain-0.CURRENT").exists(), 15, "two checkpoints")
        gang.kill()
        newest = folder / ("chain-0." + (folder / "chain-0.CURRENT").read_text(encoding="ascii").strip())
        newest.write_bytes(newest.read_bytes()[:-100])
        house.gang()
        house.succeed(job, 30)
        logs = [event for event in house.events(job) if event["type"] == "log" and event["attempt"] == 2]
        assert any("checkpoint" in event["message"] and "damaged" in event["message"] for event in logs), logs
        samples = house.api.get(f"/v1/jobs/{job}/samples?limit=1000").body.splitlines()
        assert len(samples) == 160
        world.reference.check(house, job, spec)
        words = house.gangs[1].words()
        assert "begun" in words
    with world.house() as house:  # neither of them is whole: said, and never from nothing in silence
        gang = house.gang()
        house.wait_for_gangs(1)
        job = house.submit(spec)
        folder = house.work(job, "chain-0", 1)
        until(lambda: (folder / "chain-0.a").exists() and (folder / "chain-0.b").exists(), 15, "two checkpoints")
        gang.kill()
        for path in folder.glob("chain-0.[ab]"):
            path.write_bytes(path.read_bytes()[:-100])
        house.gang()
        found = house.wait(job, 30)
        said = [event["message"] for event in house.events(job) if event["type"] in ("log", "state", "end")]
        assert any("damaged" in (text or "") for text in said), (found["state"], said)
        if found["state"] == "succeeded":
            world.reference.check(house, job, spec)


# ---- edited checkpoints ----


def read_checkpoint(path):
    data = path.read_bytes()
    magic, generation, n_identity, n_payload = HEAD.unpack_from(data)
    assert len(data) == HEAD.size + n_identity + n_payload + 32, "the format changed: bring this test up to date"
    identity = json.loads(data[HEAD.size:HEAD.size + n_identity])
    return (magic, generation), identity, data[HEAD.size + n_identity:-32]


def write_checkpoint(path, head, identity, payload):
    text = json.dumps(identity, separators=(",", ":"), sort_keys=True).encode()
    data = HEAD.pack(*head, len(text), len(payload)) + text + payload
    path.write_bytes(data + hashlib.sha256(data).digest())


def other_value(value):
    return value + "x" if isinstance(value, str) else value + 1


class Alone:
    """A job of `ffworker --job`, stopped in the middle with a checkpoint."""

    def __init__(self, world, folder, spec):
        self.ffworker, self.folder, self.spec = world.build / "bin" / "ffworker", folder, spec
        self.job, self.result = folder / "job.json", folder / "out.h5"
        self.checkpoints = folder / "out.h5.ckpt"
        self.job.write_text(json.dumps(spec))

    def command(self, *options):
        return [self.ffworker, "--job", self.job, "-o", self.result, "--threads", "1", "--checkpoint-every",
                "5" if options else "0.05", *options]

    def run(self, *options):
        return subprocess.run(self.command(*options), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)

    def stop_in_the_middle(self):
        log = self.folder / "words"
        program = Program(self.command(), log)
        until(lambda: list(self.checkpoints.glob("*.CURRENT")), 20, "a checkpoint")
        program.signal(signal.SIGTERM)
        assert program.wait() == 143, program.words()

    def newest(self):
        current = next(self.checkpoints.glob("chain-0.CURRENT"))
        return current.with_suffix("." + current.read_text(encoding="ascii").strip())


@row(15)
def foreign_checkpoint(world):
    """checkpoint of another job spec or format; of another build, plan hash or CPU class"""
    spec = posterior(draws=40, warmup=20, chains=1, npix=8)
    with tempfile.TemporaryDirectory(prefix="ff-") as folder:
        alone = Alone(world, pathlib.Path(folder), spec)
        alone.stop_in_the_middle()
        path = alone.newest()
        head, identity, payload = read_checkpoint(path)
        whole = {file: file.read_bytes() for file in alone.checkpoints.iterdir()}

        def restore():
            for file in list(alone.checkpoints.iterdir()) if alone.checkpoints.exists() else []:
                file.unlink()
            alone.checkpoints.mkdir(exist_ok=True)
            for file, data in whole.items():
                file.write_bytes(data)
            alone.result.unlink(missing_ok=True)

        assert identity["must"] and identity["should"]
        def edit(part, key):
            restore()
            other = {**identity[part], key: other_value(identity[part][key])}
            write_checkpoint(path, head, {**identity, part: other}, payload)

        for key in identity["must"]:
            edit("must", key)
            edited = path.read_bytes()
            done = alone.run("--resume")
            assert done.returncode == 8 and key in done.stderr, (key, done.returncode, done.stderr)
            assert path.read_bytes() == edited, "the checkpoint was not kept"
            assert not alone.result.exists()
        done = alone.run()  # without --resume the run starts over
        assert done.returncode == 0 and not differences(alone.result, world.reference.of(spec)), done.stderr
        for key in identity["should"]:
            edit("should", key)
            done = alone.run("--resume")
            assert done.returncode == 0, (key, done.stderr)
            logs = [event for event in map(json.loads, done.stdout.splitlines()) if event["type"] == "log"]
            assert any(key in event["message"] for event in logs), (key, logs)
            assert not differences(alone.result, world.reference.of(spec))
        world.note(f"must agree: {', '.join(identity['must'])}; should: {', '.join(identity['should'])}")


# ---- numbers that are none ----


def with_parameters(spec, sigma_e=MODEL["sigma_e"], **parameters):
    return {**spec, "model": {**spec["model"], "sigma_e": sigma_e, "parameters": parameters}}


@row(23)
def likelihood_is_no_number(world):
    """NaN or Inf likelihood at one draw"""
    small = posterior(draws=60, warmup=40, chains=1, npix=8)
    with world.house(gangs=2) as house:
        # Noisy data leave the dark energy to its prior, half of which makes no universe with structure in it.
        job = house.submit(with_parameters(small, sigma_e=5.0, wa={"normal": [0, 60]}))
        nowhere = house.submit(with_parameters(small, wa=60, sigma8={"uniform": [0.4, 1.3]}))
        found = house.wait(nowhere)
        assert found["state"] == "failed" and found["reason"] == "outside_model", found
        assert found["error"]["pointer"] == "/model/parameters", found
        told = found["error"]["detail"]  # with the vector of parameters, fixed ones too
        assert "structure does not grow" in told and "wa 60" in told and "sigma8 0.85" in told, found
        assert set(house.attempts(nowhere).values()) <= {0, 1}, "what fails by its own fault is not tried again"
        house.succeed(job, 60)
        samples = [json.loads(line) for line in house.api.get(f"/v1/jobs/{job}/samples?limit=1000").body.splitlines()]
        assert len(samples) == 100 and all(isinstance(sample["lp"], float) for sample in samples)
        walls = [i for i, sample in enumerate(samples) if sample["stats"]["diverging"]]
        assert 0 < len(walls) < 100, len(walls)
        moved = [i for i in walls[:-1] if samples[i + 1]["parameters"] != samples[i]["parameters"]]
        assert moved, "after a wall the chain does not move any more"
        told = sum(not samples[i]["warmup"] for i in walls)
        with h5py.File(house.download(job)) as result:
            assert int(result["sample_stats/diverging"][()].sum()) == told
            assert np.isfinite(result["posterior/wa"][()]).all()
        world.note(f"{len(walls)} of 100 transitions met a wall")


def spoil_moment(folder, pixel):
    """Makes the mean of one pixel, as the newest checkpoint of a chain holds it, no number. The preview of the map
    beside it has the same means, which is how they are found."""
    path = folder / ("chain-0." + (folder / "chain-0.CURRENT").read_text(encoding="ascii").strip())
    head, identity, payload = read_checkpoint(path)
    means = np.load(folder / "maps.npy")[0].ravel()  # convergence_mean
    for kind in (np.float64, np.float32):
        for shift in range(np.dtype(kind).itemsize):
            values = np.frombuffer(payload[shift:len(payload) - (len(payload) - shift) % np.dtype(kind).itemsize], kind)
            with np.errstate(all="ignore"):
                places = np.flatnonzero(np.isclose(values, means[0], rtol=1e-6, atol=0))
            for place in places:
                if np.allclose(values[place:place + means.size], means, rtol=1e-5, atol=1e-9):
                    at = shift + (place + pixel) * np.dtype(kind).itemsize
                    spoilt = payload[:at] + np.array([np.nan], kind).tobytes() + payload[at + np.dtype(kind).itemsize:]
                    write_checkpoint(path, head, identity, spoilt)
                    return
    raise AssertionError("the checkpoint does not hold the means of the preview: bring this test up to date")


@row(24)
def result_is_no_number(world):
    """NaN or Inf in a finished map, moment or draw"""
    with world.house() as house:
        gang = house.gang(environment={"FF_CRASH_AT": "gang_checkpointed:5"})  # when checkpoint and preview agree
        house.wait_for_gangs(1)
        job = house.submit(posterior(draws=160, warmup=4, chains=1, npix=8))
        folder = house.work(job, "chain-0", 1)
        until(gang.ended, 20, "five checkpoints")
        spoil_moment(folder, pixel=21)
        house.gang()
        found = house.wait(job, 30)
        assert found["state"] == "failed" and found["reason"] == "numeric" and found["result"] is None, found
        assert found["error"]["type"].endswith("numeric"), found
        assert "element 21 of /maps/convergence_mean is nan" in found["error"]["detail"], found
        assert house.attempts(job)["reduce"] == 1, "what fails by its own fault is not tried again"
        assert not list((house.data / "store" / "results").rglob("*.h5*")), "a result nobody can use"
        assert house.api.get(f"/v1/jobs/{job}/result").status in (404, 409)
        other = house.wait(house.submit(noop(3, fail="nan")))
        assert other["state"] == "failed" and "element 0 " in other["error"]["detail"], other
