"""A gang (`ffworker --connect`) against a server that the test plays (fakeserver.py): the rules of proto/wire.md from
outside, with real sockets, keys and processes. Files: test_gang_files.py."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from fakeserver import (LONG, NOOP, FakeServer, attempt_of, begin, calm, encode, ended,  # noqa: F401
                        server, shared, wait_until, write_key, zmq)

# pylint: disable=redefined-outer-name,unused-import


# ---- contact ----


def test_hello_says_who_it_is(server, ffworker):
    server.start_gang(ffworker, "--pool", "fast", "--name", "my worker", "--memory", "3e9", "--ranks", "1")
    hello = server.welcome()
    assert (hello["pool"], hello["name"], hello["ranks"], hello["threads"]) == ("fast", "my worker", 1, 1)
    assert hello["memory_bytes"] == 3e9 and hello["gpu"] is False and hello["holding"] == []
    assert "store_token" not in hello and len(hello["instance"]) >= 32
    body, _ = server.expect("HEARTBEAT")
    assert body["holding"] == [] and body["free_memory_bytes"] > 0


def test_hello_is_repeated_until_welcome(server, ffworker):
    server.start_gang(ffworker)
    first, _ = server.expect("HELLO")
    second, _ = server.expect("HELLO")
    assert first["instance"] == second["instance"]
    server.send("WELCOME", server.welcome_body)
    server.expect("HEARTBEAT")


@pytest.mark.parametrize("as_message", [True, False])
def test_another_protocol_ends_it_with_10_and_both_versions(server, ffworker, as_message):
    gang = server.start_gang(ffworker)
    server.expect("HELLO")
    if as_message:
        server.send("REFUSED", {"detail": "too old", "protocol": 7})
    else:
        server.send("REFUSED", {"detail": "too old", "protocol": 7}, version=7)
    assert ended(gang) == 10
    assert "7" in server.words() and "1" in server.words().split("7", 1)[1]


def test_refused_ends_it_with_8(server, ffworker):
    gang = server.start_gang(ffworker)
    server.expect("HELLO")
    server.send("REFUSED", {"detail": "this instance is here already", "protocol": 1})
    assert ended(gang) == 8
    assert "this instance is here already" in server.words()


def test_a_wrong_server_key_is_refused_with_4(server, ffworker):
    write_key(server.server_key, zmq.curve_keypair()[0])
    gang = server.start_gang(ffworker)
    assert ended(gang, 30) == 4
    assert "--server-key" in server.words()


def test_a_key_the_server_does_not_know_is_refused_with_4(tmp_path, ffworker):
    with FakeServer(tmp_path, allow=False) as server:
        gang = server.start_gang(ffworker)
        assert ended(gang, 20) == 4
        assert "--key" in server.words()


def test_key_files_are_checked_before_anything_is_sent(server, ffworker):
    server.gang_key.chmod(0o644)
    gang = server.start_gang(ffworker)
    assert ended(gang) == 2 and "0600" in server.words()
    write_key(server.gang_key, b"not a key")
    gang = server.start_gang(ffworker)
    assert ended(gang) == 2 and "no key" in server.words()


def test_keys_are_never_printed(server, ffworker):
    gang, _ = begin(server, ffworker, NOOP)
    server.commit()
    gang.terminate()
    assert ended(gang) == 0
    for key in (server.gang_secret, server.gang_public, server.public):
        assert key.decode() not in server.words()


def test_an_idle_gang_without_a_server_ends_with_9(server, ffworker):
    gang, _ = begin(server, ffworker, None, "--idle-exit", "1.5")
    time.sleep(2.5)  # longer than --idle-exit: a server that has nothing to say is still there
    server.drain()
    assert gang.poll() is None
    server.stop()
    begun = time.monotonic()
    assert ended(gang) == 9
    assert time.monotonic() - begun > 1
    server.start()


def test_no_server_at_all_ends_with_9(server, ffworker):
    server.stop()
    gang = server.start_gang(ffworker, "--idle-exit", "0.5")
    assert ended(gang) == 9
    server.start()


@pytest.mark.parametrize("options", [["--connect", "http://x"], ["--idle-exit", "no"], ["--pool", "a b"],
                                     ["--store", "/nowhere"], ["--memory", "1"]])
def test_bad_options_end_with_2(server, ffworker, options):
    assert ended(server.start_gang(ffworker, *options)) == 2


def test_connect_needs_its_keys(ffworker):
    done = subprocess.run([ffworker, "--connect", "ipc:///tmp/x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--server-key" in done.stderr


# ---- tasks ----


def test_a_task_succeeds_with_its_events_in_order(server, ffworker):
    begin(server, ffworker, {**NOOP, "sleep_s": 1})
    body = server.commit()
    assert body["outcome"] == "succeeded" and body["files"] == [] and "result" not in body
    assert 0.9 < body["core_seconds"] < 3
    done = [event["done"] for event in server.events if event["type"] == "progress"]
    assert len(done) >= 3 and done == sorted(done)
    assert not [event for event in server.events if event["type"] in ("state", "end")]
    # what was sent before the commit was sent once, in order and without a gap
    assert [first for first, _ in server.event_frames] == sorted({first for first, _ in server.event_frames})


def test_tasks_follow_one_another(server, ffworker):
    server.start_gang(ffworker)
    server.welcome()
    n = 300
    begun = time.monotonic()
    for i in range(n):
        server.task("noop-0", {**NOOP, "count": 1}, attempt=i + 1)
        assert server.commit()["attempt"] == i + 1
    print(f"{n / (time.monotonic() - begun):.0f} tasks/s, one after another")


def test_a_failed_task_says_why(server, ffworker):
    begin(server, ffworker, {**NOOP, "fail": "error"})
    body = server.commit()
    assert body["outcome"] == "failed" and body["problem"]["type"] == "numeric" and body["message"]
    server.task("noop-0", {**NOOP, "typo": 1}, attempt=2)
    body = server.commit()
    assert body["outcome"] == "failed" and body["problem"]["pointer"] == "/typo"


def test_too_little_memory_is_the_environments_fault(server, ffworker):
    begin(server, ffworker, NOOP, memory_bytes=1e14)
    body = server.commit()
    assert (body["outcome"], body["reason"]) == ("environment", "no_memory")


def test_a_store_that_is_gone_is_the_environments_fault(shared, ffworker):
    shared.start_gang(ffworker, "--store", shared.store)
    shared.welcome()
    shutil.rmtree(shared.store)
    shared.task("noop-0", NOOP)
    body = shared.commit()
    assert (body["outcome"], body["reason"]) == ("environment", "storage")


def test_a_task_that_comes_twice_is_done_once(server, ffworker):
    gang, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 0.3})
    server.task("noop-0", {**NOOP, "sleep_s": 0.3})
    server.task("noop-1", NOOP)  # it has one already
    server.commit()
    server.task("noop-0", {**NOOP, "sleep_s": 0.3})
    server.send("VERDICT", {**attempt, "verdict": "stale"})  # of what is over
    server.quiet("COMMIT", 1.2)
    server.task("noop-1", NOOP)
    assert server.commit()["task"] == "noop-1"
    assert gang.poll() is None


def test_garbage_from_the_server_is_survived(server, ffworker):
    begin(server, ffworker)
    for frame in (b"", b"FFW1", os.urandom(100), encode("TASK", {"job": "x"}), encode("COMMIT", {}),
                  encode("VERDICT", {})[:-1]):
        server.socket.send_multipart([server.peer, frame])
    server.task("noop-0", NOOP)
    assert server.commit()["outcome"] == "succeeded"


# ---- what is owed until it is acknowledged ----


def test_events_wait_for_credit_and_the_commit_for_events(tmp_path, ffworker):
    with FakeServer(tmp_path, credit=1, heartbeat_ms=2000) as server:
        server.auto.discard("EVENTS")
        _, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 2})  # long enough for a slow machine to report it
        body, _ = server.expect("EVENTS")
        assert body["from"] == 1 and len(body["events"]) == 1
        # nothing beyond credit, but the same event again
        again, _ = server.expect("EVENTS", 5)
        assert (again["from"], again["events"]) == (1, body["events"])
        server.quiet("COMMIT", 1)
        for number in range(1, 20):
            server.send("TAKEN", {**attempt, "upto": number})
            message = server.receive(0.5)
            while message and message[0] in ("HEARTBEAT", "EVENTS") and len(server.events) <= number:
                message = server.receive(0.5)
            if message and message[0] == "COMMIT":
                break
        assert message[0] == "COMMIT"
        assert all(count == 1 for _, count in server.event_frames)


def test_a_commit_is_sent_again_until_the_verdict(calm, ffworker):
    begin(calm, ffworker, NOOP)
    first, _ = calm.expect("COMMIT")
    begun = time.monotonic()
    for _ in range(3):
        again, _ = calm.expect("COMMIT", 3)
        assert again == first
    assert 2.5 < time.monotonic() - begun < 6
    calm.send("VERDICT", {**attempt_of(first), "verdict": "committed"})
    calm.quiet("COMMIT", 1.5)


def test_heartbeats_carry_a_counter_that_grows(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 2})
    server.commit()
    beats = [(at, held) for at, body in server.heartbeats for held in body["holding"] if held["task"] == "noop-0"]
    assert len(beats) >= 12
    counters = [held["counter"] for _, held in beats]
    assert counters == sorted(counters) and len(set(counters)) >= 5
    gaps = [b[0] - a[0] for a, b in zip(beats, beats[1:])]
    assert max(gaps) < 1 and sum(gaps) / len(gaps) < 0.2
    assert attempt_of(beats[0][1]) == attempt


def test_a_hanging_task_beats_without_progress_and_can_be_stopped(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "fail": "hang"})

    def stuck():
        server.receive(0.2)
        held = [body["holding"][0] for _, body in server.heartbeats[-8:] if body["holding"]]
        return len(held) == 8 and len({one["counter"] for one in held}) == 1 and held[-1]["expect_next_ms"] < 5000

    wait_until(stuck, 20)
    server.send("STOP", {**attempt, "why": "fenced"})
    server.quiet("COMMIT", 1.2)
    server.task("noop-1", NOOP)
    assert server.commit()["task"] == "noop-1"


def test_a_long_first_step_is_declared(server, ffworker):
    begin(server, ffworker, LONG, "--first-step", "77", environment={"FF_SLEEP_AT": "gang_task_start:2"})
    wait_until(lambda: server.receive(0.2) and server.heartbeats[-1][1]["holding"])
    assert server.heartbeats[-1][1]["holding"][0]["expect_next_ms"] == 77000


# ---- being stopped ----


@pytest.mark.parametrize("why", ["cancel", "drain", "walltime", "shutdown"])
def test_stop_releases_the_attempt(server, ffworker, why):
    gang, attempt = begin(server, ffworker, LONG)
    server.expect("EVENTS")
    server.send("STOP", {**attempt, "why": why})
    body = server.commit()
    assert (body["outcome"], body["reason"]) == ("released", why)
    server.task("noop-1", NOOP)  # it was about the attempt, not the gang
    assert server.commit()["outcome"] == "succeeded"
    assert gang.poll() is None


def test_stop_of_another_attempt_is_not_ours(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 0.5}, attempt=3)
    server.send("STOP", {**attempt, "attempt": 2, "why": "fenced"})
    assert server.commit()["outcome"] == "succeeded"


def test_drain_by_the_server(server, ffworker):
    gang, _ = begin(server, ffworker, LONG)
    server.expect("EVENTS")
    server.send("STOP", {"why": "drain"})
    assert server.commit()["reason"] == "drain"
    server.expect("BYE")
    assert ended(gang) == 0


def test_drain_of_an_idle_gang(server, ffworker):
    gang, _ = begin(server, ffworker)
    server.send("STOP", {"why": "shutdown"})
    server.expect("BYE")
    assert ended(gang) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(server, ffworker, number):
    gang, _ = begin(server, ffworker, LONG)
    server.expect("EVENTS")
    begun = time.monotonic()
    gang.send_signal(number)
    body = server.commit()
    assert (body["outcome"], body["reason"]) == ("released", "drain")
    server.expect("BYE")
    assert ended(gang) == 0 and time.monotonic() - begun < 3


def test_the_second_sigterm_ends_at_once(server, ffworker):
    gang, _ = begin(server, ffworker, LONG)
    server.expect("EVENTS")
    gang.terminate()
    server.expect("COMMIT")  # without a verdict it would wait
    gang.terminate()  # the same key, told twice
    server.quiet("BYE", 1.2)
    assert gang.poll() is None
    gang.terminate()
    assert ended(gang, 2) == 143


def test_a_drain_does_not_wait_for_a_dead_server_for_ever(server, ffworker):
    gang, _ = begin(server, ffworker, LONG, "--drain-wait", "1")
    server.expect("EVENTS")
    server.stop()
    gang.terminate()
    assert ended(gang) == 9
    server.start()


# ---- losing the server ----


def test_it_computes_on_and_offers_its_commit_to_the_next_server(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 1.5})
    server.expect("EVENTS")
    first = server.events[:]
    server.stop()
    wait_until(lambda: "is lost" in server.words())
    time.sleep(1.5)  # the task ends meanwhile
    server.start()
    hello, _ = server.expect("HELLO", 20)
    assert hello["holding"] == [attempt]
    server.quiet("COMMIT", 0.5)  # not before it is welcome
    server.send("WELCOME", server.welcome_body)
    body = server.commit()
    assert attempt_of(body) == attempt and body["outcome"] == "succeeded"
    assert server.events[:len(first)] == first and server.events[-1]["done"] == server.events[-1]["total"]


def test_again_makes_it_say_hello_with_what_it_holds(server, ffworker):
    _, attempt = begin(server, ffworker, {**NOOP, "sleep_s": 1})
    server.expect("HEARTBEAT")
    server.send("AGAIN", {})
    hello, _ = server.expect("HELLO")
    assert hello["holding"] == [attempt]
    server.send("WELCOME", server.welcome_body)
    assert server.commit()["outcome"] == "succeeded"


def test_silence_makes_it_say_hello_and_the_commit_comes_again(server, ffworker):
    begin(server, ffworker, NOOP)
    body, _ = server.expect("COMMIT")
    hello, _ = server.expect("HELLO", 10)  # nothing answered for three heartbeats
    assert hello["holding"] == [attempt_of(body)]
    server.send("WELCOME", server.welcome_body)
    again, _ = server.expect("COMMIT")
    assert again == body


def test_give_up_ends_a_gang_with_a_task(server, ffworker):
    gang, _ = begin(server, ffworker, LONG, "--give-up", "1")
    server.stop()
    assert ended(gang, 15) == 9
    server.start()


# ---- ranks ----


def mpirun():
    found = shutil.which("mpirun")
    if not found:
        pytest.skip("mpirun is not installed")
    return [found, "-n", "2", "--oversubscribe"]


MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def rank_of(gang, ffworker, rank):
    """The process id of a rank of mpirun's."""

    def environment(pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
        except OSError:
            return {}

    def parent(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return 0

    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    ours = [pid for pid in pids if parent(pid) == gang.pid]
    return next(pid for pid in ours if environment(pid).get(b"OMPI_COMM_WORLD_RANK") == str(rank).encode())


def start_ranks(server, ffworker):
    gang = server.start_gang(ffworker, prefix=mpirun(), environment=MPI)
    hello, _ = server.expect("HELLO", 30)
    server.send("WELCOME", server.welcome_body)
    assert hello["ranks"] == 2 and hello["threads"] == 2
    return gang


def test_a_gang_of_two_ranks_runs_a_task_and_drains(server, ffworker):
    gang = start_ranks(server, ffworker)
    server.task("noop-0", {**NOOP, "sleep_s": 0.5, "resources": {"ranks": 2}})
    assert server.commit()["outcome"] == "succeeded"
    server.send("STOP", {"why": "drain"})
    server.expect("BYE")
    assert ended(gang, 20) == 0


def test_sigusr2_to_mpirun_drains(server, ffworker):
    """mpirun hands it on to the ranks; at SIGTERM it would kill them after a second."""
    gang = start_ranks(server, ffworker)
    server.task("noop-0", {**LONG, "resources": {"ranks": 2}})
    server.expect("EVENTS")
    gang.send_signal(signal.SIGUSR2)
    body = server.commit()
    assert (body["outcome"], body["reason"]) == ("released", "drain")
    server.expect("BYE")
    assert ended(gang, 20) == 0


def test_a_gang_that_loses_a_rank_ends(server, ffworker):
    gang = start_ranks(server, ffworker)
    server.task("noop-0", {**LONG, "resources": {"ranks": 2}})
    server.expect("EVENTS")
    os.kill(rank_of(gang, ffworker, 1), signal.SIGKILL)
    assert ended(gang, 20) != 0


def test_a_rank_that_hangs_stops_the_progress_but_not_the_heartbeats(server, ffworker):
    gang = start_ranks(server, ffworker)
    server.task("noop-0", {**LONG, "resources": {"ranks": 2}})
    server.expect("EVENTS")
    rank = rank_of(gang, ffworker, 1)
    os.kill(rank, signal.SIGSTOP)

    def stuck():
        server.receive(0.2)
        held = [body["holding"][0]["counter"] for _, body in server.heartbeats[-15:] if body["holding"]]
        return len(held) == 15 and len(set(held)) == 1

    wait_until(stuck, 20)
    os.kill(rank, signal.SIGCONT)
    counter = server.heartbeats[-1][1]["holding"][0]["counter"]
    wait_until(lambda: server.receive(0.2) and server.heartbeats[-1][1]["holding"][0]["counter"] > counter)
