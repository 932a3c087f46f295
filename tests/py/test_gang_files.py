"""Files of a gang (`ffworker --connect`): in a shared store, or over the wire to a server that the test plays; a chain
that moves from one gang to another; a gang that dies."""
import hashlib
import os

import pytest

from fakeserver import JOB, LONG, NOOP, attempt_of, begin, calm, ended, server, shared, wait_until  # noqa: F401

# pylint: disable=redefined-outer-name,unused-import


def file_of(body, name="result.h5"):
    return next(file for file in body["files"] if file["name"] == name)


def test_a_shared_store_is_written_in_place(shared, ffworker):
    shared.start_gang(ffworker, "--store", shared.store)
    hello = shared.welcome()
    assert hello["store_token"] == "f" * 64
    shared.task("noop-0", {**NOOP, "file_bytes": 100000})
    body = shared.commit()
    path = shared.store / "work" / JOB / "noop-0.1" / body["result"]
    data = path.read_bytes()
    assert file_of(body) == {"name": "result.h5", "size": 100000, "sha256": hashlib.sha256(data).hexdigest()}
    assert path.stat().st_mode & 0o007 == 0 and path.parent.stat().st_mode & 0o007 == 0
    shared.quiet("PUT", 0.3)


def test_a_stale_verdict_removes_the_files(shared, ffworker):
    shared.start_gang(ffworker, "--store", shared.store)
    shared.welcome()
    shared.task("noop-0", {**NOOP, "file_bytes": 1000})
    shared.expect("COMMIT")
    folder = shared.store / "work" / JOB / "noop-0.1"
    assert (folder / "result.h5").exists()
    shared.commit("stale")
    wait_until(lambda: not folder.exists())
    assert shared.store.exists() and (shared.store / "token").exists()


def test_a_fenced_attempt_leaves_nothing(shared, ffworker):
    shared.start_gang(ffworker, "--store", shared.store)
    shared.welcome()
    attempt = shared.task("noop-0", LONG)
    folder = shared.store / "work" / JOB / "noop-0.1"
    wait_until(folder.exists)
    shared.send("STOP", {**attempt, "why": "fenced"})
    wait_until(lambda: not folder.exists())
    shared.quiet("COMMIT", 1.2)


def test_without_the_stores_token_files_go_over_the_wire(server, ffworker):
    store = server.folder / "other"
    store.mkdir()
    (store / "token").write_text("0" * 64)
    server.auto.add("PUT")
    begin(server, ffworker, {**NOOP, "file_bytes": 5000}, "--store", store)  # WELCOME says: not the same store
    body = server.commit()
    assert len(server.files.files[(JOB, "noop-0", 1, "result.h5")]) == 5000
    assert body["result"] == "result.h5" and not (store / "work").exists()


def test_an_upload_goes_on_where_the_server_has_lost_it(calm, ffworker):
    size = 9 * (1 << 20) + 123
    _, attempt = begin(calm, ffworker, {**NOOP, "file_bytes": size})
    puts = [calm.expect("PUT") for _ in range(4)]
    calm.quiet("PUT", 1)  # four unanswered are the most
    assert [body["offset"] for body, _ in puts] == [i << 20 for i in range(4)]
    for body, blob in puts[:2]:  # the third and fourth are lost, and so are the answers
        have = calm.files.put(body, blob)
    calm.send("STORED", {**attempt, "name": "result.h5", "have": have})
    calm.auto.add("PUT")
    body = calm.commit()
    data = calm.files.files[(JOB, "noop-0", 1, "result.h5")]
    assert len(data) == size and hashlib.sha256(data).hexdigest() == file_of(body)["sha256"]


def test_an_upload_survives_the_server(server, ffworker):
    size = 6 << 20
    _, attempt = begin(server, ffworker, {**NOOP, "file_bytes": size})
    for _ in range(2):
        server.files.put(*server.expect("PUT"))
    server.stop()
    server.backlog.clear()
    server.start()
    hello, _ = server.expect("HELLO", 20)
    assert hello["holding"] == [attempt]
    server.auto.add("PUT")
    server.send("WELCOME", server.welcome_body)
    server.commit()
    assert len(server.files.files[(JOB, "noop-0", 1, "result.h5")]) == size


def test_a_file_the_server_throws_away_again_and_again_is_the_environments_fault(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "file_bytes": 1000})
    for _ in range(5):
        server.expect("PUT")
        server.send("STORED", {**attempt, "name": "result.h5", "have": 0})
    body = server.commit()
    assert (body["outcome"], body["reason"], body["files"]) == ("environment", "transfer", [])
    assert "result" not in body


def inputs_of(server, data, said=None):
    server.files.inputs[(JOB, "noop-1", 2, "part.bin")] = data
    return [{"job": JOB, "task": "noop-1", "attempt": 2, "name": "part.bin", "size": len(data),
             "sha256": hashlib.sha256(said or data).hexdigest()}]


def test_inputs_are_fetched_and_checked(server, ffworker):
    data = os.urandom((1 << 20) + 17)
    dataset = os.urandom(1000)
    server.files.inputs[("", "", 0, "ds_" + "d" * 26)] = dataset
    server.auto.add("GET")
    gang, _ = begin(server, ffworker, NOOP, files=inputs_of(server, data), inputs={"noop-1": 2},
                    datasets=[{"id": "ds_" + "d" * 26, "size": 1000, "sha256": hashlib.sha256(dataset).hexdigest()}])
    body, _ = server.expect("COMMIT")
    assert body["outcome"] == "succeeded"
    scratch, = server.folder.glob("ffworker-*")
    assert (scratch / "work" / JOB / "noop-1.2" / "part.bin").read_bytes() == data
    assert (scratch / "datasets" / (hashlib.sha256(dataset).hexdigest() + ".h5")).read_bytes() == dataset
    server.send("VERDICT", {**attempt_of(body), "verdict": "committed"})
    server.auto.discard("GET")
    server.task("noop-0", NOOP, attempt=2, files=inputs_of(server, data))  # it has them
    assert server.commit()["outcome"] == "succeeded"
    gang.terminate()
    assert ended(gang) == 0
    assert not list(server.folder.glob("ffworker-*"))


def test_inputs_with_other_bytes_are_refused(server, ffworker):
    server.auto.add("GET")
    data = b"x" * 1000
    begin(server, ffworker, NOOP, files=inputs_of(server, data, said=b"y" * 1000))
    body = server.commit()
    assert (body["outcome"], body["reason"]) == ("environment", "storage")


def test_lost_chunks_are_asked_for_again(calm, ffworker):
    data = os.urandom(3000)
    begin(calm, ffworker, NOOP, files=inputs_of(calm, data))
    first, _ = calm.expect("GET")
    again, _ = calm.expect("GET", 5)
    assert first == again
    calm.auto.add("GET")
    calm.answer("GET", first, b"")
    assert calm.commit()["outcome"] == "succeeded"


def test_what_a_killed_gang_left_is_removed_by_the_next(server, ffworker):
    server.auto.add("PUT")
    gang, _ = begin(server, ffworker, LONG)
    wait_until(lambda: list(server.folder.glob("ffworker-*/work/*/*")))
    gang.kill()
    gang.wait()
    left, = server.folder.glob("ffworker-*")
    begin(server, ffworker, {**NOOP, "file_bytes": 10})
    server.commit()
    assert not left.exists()


# ---- a chain that moves ----

SMALL = {"simulator": "lognormal", "field": {"size_deg": 5, "npix": 8}, "sigma_e": 0.26,
         "sources": {"gaussian": [{"z": 0.8, "sd": 0.15, "n_per_arcmin2": 15}]},
         "parameters": {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}}}
POSTERIOR = {"kind": "posterior", "seed": 5, "model": SMALL, "data": {"mock": {"seed": 7}},
             "sampler": {"chains": 2, "warmup": 30, "draws": 100}}


def samples_of(server):
    return [(event["draw"], event["warmup"], event["lp"]) for event in server.events if event["type"] == "sample"]


def files_for(server, task, attempt):
    """What TASK says of the files that came by PUT, and GET will find."""
    found = []
    for key, data in server.files.files.items():
        if key[1:3] == (task, attempt):
            server.files.inputs[key] = data
            found.append({"job": JOB, "task": task, "attempt": attempt, "name": key[3], "size": len(data),
                          "sha256": hashlib.sha256(data).hexdigest()})
    return found


def test_a_chain_moves_to_another_gang_and_stays_the_same_to_the_bit(server, ffworker):
    server.auto |= {"PUT", "GET"}
    server.start_gang(ffworker)
    server.welcome()
    server.task("chain-0", POSTERIOR)
    whole = server.commit(timeout_s=60)
    expected = samples_of(server)
    assert whole["outcome"] == "succeeded" and len(expected) == 130

    server.task("chain-0", POSTERIOR, attempt=2)
    wait_until(lambda: server.receive(1) and len(samples_of(server)) > 60, 30)
    server.send("STOP", {"why": "drain"})
    first = server.commit(timeout_s=30)
    assert first["outcome"] == "released" and first["files"]
    begun = samples_of(server)
    assert len(begun) < 130 and begun == expected[:len(begun)]
    server.expect("BYE")
    server.drain()

    server.start_gang(ffworker)
    server.welcome()
    server.task("chain-0", POSTERIOR, attempt=3, resume=2, files=files_for(server, "chain-0", 2))
    assert server.commit(timeout_s=60)["outcome"] == "succeeded"
    rest = samples_of(server)
    assert rest[0] in expected and len(rest) < 130 and rest == expected[-len(rest):]
    assert len(begun) + len(rest) >= 130  # what the checkpoint does not hold is drawn again

    server.task("chain-1", POSTERIOR)
    assert server.commit(timeout_s=60)["outcome"] == "succeeded"
    server.task("reduce", POSTERIOR, inputs={"chain-0": 3, "chain-1": 1},
                files=files_for(server, "chain-0", 3) + files_for(server, "chain-1", 1))
    body = server.commit(timeout_s=60)
    assert body["outcome"] == "succeeded" and body["result"] == "result.h5"
    h5py = pytest.importorskip("h5py")
    path = server.folder / "result.h5"
    path.write_bytes(server.files.files[(JOB, "reduce", 1, "result.h5")])
    with h5py.File(path) as result:
        assert result["posterior/sigma8"].shape == (2, 100)


def test_checkpoints_are_sent_while_a_chain_runs_and_a_killed_gang_loses_little(server, ffworker):
    server.auto |= {"PUT", "GET"}
    job = {**POSTERIOR, "sampler": {"chains": 1, "warmup": 30, "draws": 4000}}
    gang, _ = begin(server, ffworker, job, name="chain-0")
    wait_until(lambda: server.receive(1) and any(key[3].endswith(".CURRENT") for key in server.files.files) and
               len(samples_of(server)) > 150, 60)
    gang.kill()
    gang.wait()
    server.drain()
    told = len(samples_of(server))
    server.start_gang(ffworker)
    server.welcome()
    attempt = server.task("chain-0", job, attempt=2, resume=1, files=files_for(server, "chain-0", 1))
    wait_until(lambda: server.receive(1) and samples_of(server), 60)
    draw, warmup, _ = samples_of(server)[0]
    again = draw if warmup else 30 + draw
    assert 30 < again <= told
    server.send("STOP", {**attempt, "why": "cancel"})
    assert server.commit(timeout_s=30)["reason"] == "cancel"


# ---- dying ----


@pytest.mark.parametrize("point", ["gang_task_start", "gang_before_commit", "gang_after_commit_sent", "gang_put"])
def test_crash_points_end_it(server, ffworker, point):
    gang, _ = begin(server, ffworker, {**NOOP, "file_bytes": 10}, environment={"FF_CRASH_AT": f"{point}:1"})
    server.auto.add("PUT")
    wait_until(lambda: server.receive(0.05) and False or gang.poll() is not None)
    assert gang.returncode == 137
