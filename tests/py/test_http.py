"""The HTTP front from outside: a real ffserver on a random port, without gangs. Framing that could be read in two ways,
limits, slow and vanishing clients, tokens, datasets; and every answer against proto/openapi.json."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import h5py
import jsonschema
import numpy as np
import pytest
import requests

from conftest import ROOT, program

DEADLINE_S = 2
JOB = {"kind": "noop", "count": 2}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
UNKNOWN = "job_0123456789abcdefghijklmnop"


class Server:
    def __init__(self, data, *options, **more):
        self.data = data
        self.process = subprocess.Popen(
            [program("ffserver"), "--data", data, "--listen", "127.0.0.1:0", "--test-kinds", "--deadline-s",
             str(DEADLINE_S), "--log-file", data.parent / f"{data.name}.log", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
        address = data / "server.address"
        until = time.monotonic() + 20
        while not (address.exists() and address.read_text().strip()):
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        self.url = address.read_text().strip()
        self.host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)
        self.token = (data / "admin.token").read_text().strip()
        self.wait_for_answer(until)

    def wait_for_answer(self, until):
        while True:
            try:
                return requests.get(self.url + "/healthz", timeout=5)
            except requests.ConnectionError:
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.02)

    def ask(self, method, path, token=None, **more):
        headers = {"Authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=30, **more)

    def dial(self):
        return socket.create_connection((self.host, self.port), timeout=10)

    def raw(self, text, shut=False):
        """Sends bytes, returns the status (None: closed without an answer) and all that came."""
        with self.dial() as s:
            s.sendall(text)
            if shut:
                s.shutdown(socket.SHUT_WR)
            return answer_of(s)

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_mib(self):
        status = open(f"/proc/{self.process.pid}/status", encoding="utf-8").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(30) == 0
        finally:
            self.process.kill()
            self.process.stderr.close()


def answer_of(s):
    text = b""
    try:
        while piece := s.recv(65536):
            text += piece
    except (ConnectionResetError, socket.timeout):
        pass
    match = re.match(rb"HTTP/1\.1 (\d+)", text)
    return (int(match.group(1)) if match else None), text


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("http") / "data")
    yield s
    s.stop()


@pytest.fixture(scope="module")
def document(server):
    document = requests.get(server.url + "/v1/openapi.json", timeout=10).json()
    assert document == json.loads((ROOT / "proto/openapi.json").read_text())
    return document


@pytest.fixture(scope="module")
def job(server):
    return server.ask("POST", "/v1/jobs", json=JOB).json()["id"]


def post(server, *headers, body=b"", close=True):
    lines = ["POST /v1/jobs HTTP/1.1", "Host: x", f"Authorization: Bearer {server.token}", *headers]
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- framing ----

JSON = "Content-Type: application/json"
TEXT = json.dumps(JOB).encode()


@pytest.mark.parametrize("headers", [
    [JSON, f"Content-Length: {len(TEXT)}", "Transfer-Encoding: chunked"],
    [JSON, f"Content-Length: {len(TEXT)}", f"Content-Length: {len(TEXT)}"],
    [JSON, f"Content-Length: {len(TEXT)}", "Content-Length: 5"],
    [JSON, JSON, f"Content-Length: {len(TEXT)}"],
    [JSON, f"Content-Length: {len(TEXT)}", "Authorization: Bearer ff_00"],
    [JSON, f"Content-Length: {len(TEXT)}", "Host: y"],
    [JSON, f"Content-Length: -{len(TEXT)}"],
    [JSON, f"Content-Length: +{len(TEXT)}"],
    [JSON, "Content-Length: 0x10"],
    [JSON, "Transfer-Encoding: gzip, chunked"],
])
def test_a_body_of_two_lengths_is_refused(server, headers):
    before = len(server.ask("GET", "/v1/jobs?limit=500").json()["jobs"])
    status, text = server.raw(post(server, *headers, body=TEXT))
    assert status in (400, 413, None), text
    assert len(server.ask("GET", "/v1/jobs?limit=500").json()["jobs"]) == before


@pytest.mark.parametrize("text", [
    b"GET /v1/version HTTP/1.1\r\n\r\n",                                          # no Host
    b"GET /v1/version HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",       # a body
    b"GET /v1/version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v1/version HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
    b"GET /v1/version HTTP/1.1\r\nHost : x\r\n\r\n",
])
def test_a_bad_head_is_refused(server, text):
    status, answer = server.raw(text, shut=True)
    assert status == 400, answer


def test_headers_are_bounded(server):
    status, _ = server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 40000 + b"\r\n\r\n")
    assert status == 431
    status, _ = server.raw(b"GET /healthz?" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status == 400


def test_chunked_bodies_are_taken(server):
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(TEXT), TEXT)
    status, _ = server.raw(post(server, JSON, "Transfer-Encoding: chunked", body=chunk))
    assert status == 202


# ---- limits ----

LIMIT = 8 << 20


def test_a_declared_body_that_is_too_large_is_refused_at_once(server):
    before = server.memory_mib()
    with server.dial() as s:
        s.sendall(post(server, JSON, f"Content-Length: {2 * LIMIT}"))
        status, text = answer_of(s)  # nothing of the body was sent
    assert status == 413 and b"too-large" in text
    assert server.memory_mib() < before + 4


@pytest.mark.parametrize("pause_s", [0, 0.02])
def test_a_chunked_body_that_is_too_large_is_refused(server, pause_s):
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    before = server.memory_mib()
    with server.dial() as s:
        s.sendall(post(server, JSON, "Transfer-Encoding: chunked"))
        for _ in range(LIMIT // 65536 + 20):
            s.sendall(piece)
            time.sleep(pause_s / 10)
        s.sendall(b"0\r\n\r\n")
        status, text = answer_of(s)
    assert status == 413 and b"too-large" in text
    assert server.memory_mib() < before + 3 * LIMIT / 2**20


def test_types_of_bodies(server):
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/jsonx"}, {},
                    {"Content-Type": "application/json", "Content-Encoding": "gzip"}):
        assert server.ask("POST", "/v1/jobs", data=TEXT, headers=headers).status_code == 415
    good = {"Content-Type": "application/json; charset=utf-8"}
    assert server.ask("POST", "/v1/jobs", data=TEXT, headers=good).status_code == 202


@pytest.mark.parametrize("body", [
    "[" * 3000 + "]" * 3000, '{"kind":"noop","name":"' + "a" * (2 << 20) + '"}', '{"kind":"noop","kind":"noop"}',
    '{"kind":"noop","sleep_s":NaN}', '{"kind":"noop","sleep_s":1e400}', '{"kind":"noop","seed":99999999999999999999}',
    '{"kind":"noop","name":"\\u0000"}', '{"kind":"noop"}x', "\x00", "nul", '{"kind":"noop","name":"\\ud800"}'])
def test_bad_json_leaves_the_connection_usable(server, body):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {server.token}"
        answer = session.post(server.url + "/v1/jobs", data=body.encode(), headers={"Content-Type": "application/json"},
                              timeout=30)
        assert answer.status_code == 400, answer.text
        assert answer.headers.get("Connection") != "close"
        assert session.get(server.url + "/v1/jobs", timeout=30).status_code == 200


# ---- slow and vanishing clients ----

def test_slow_clients_are_closed_and_disturb_nobody(server):
    """Headers a byte a time, bodies that stop, answers nobody reads."""
    slow = []
    for i in range(150):
        s = server.dial()
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " if i % 2 else post(server, JSON, "Content-Length: 100"))
        slow.append(s)
    ended = threading.Event()

    def drip():
        while not ended.is_set():
            for s in slow:
                try:
                    s.send(b"a" if s is not slow[0] else b"1")
                except OSError:
                    pass
            time.sleep(0.2)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        began, worst = time.monotonic(), 0
        while time.monotonic() < began + DEADLINE_S + 1.5:
            start = time.monotonic()
            assert server.ask("GET", "/v1/jobs").status_code == 200
            worst = max(worst, time.monotonic() - start)
        assert worst < 1
        for s in slow:  # they are closed already, though every one of them sent something all the time
            s.setblocking(False)
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    finally:
        ended.set()
        thread.join()
        for s in slow:
            s.close()


def test_nothing_is_left_of_clients_that_vanish(server, job):
    def settle(most):
        until = time.monotonic() + 20
        while server.fds() > most and time.monotonic() < until:
            time.sleep(0.05)
        return server.fds()

    baseline = settle(server.fds())
    memory = server.memory_mib()
    for _ in range(10):
        sockets = []
        for _ in range(50):
            s = server.dial()
            s.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
                      .encode())
            sockets.append(s)
        assert b"text/event-stream" in sockets[-1].recv(4096)
        for s in sockets:
            s.close()
    assert settle(baseline + 2) <= baseline + 2
    assert server.memory_mib() < memory + 20
    assert re.search(r"fullfield_sse_clients 0\b", server.ask("GET", "/metrics").text)


def test_a_reset_after_submission_leaves_one_job(server):
    key = "reset-1"
    with server.dial() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        s.sendall(post(server, JSON, f"Idempotency-Key: {key}", f"Content-Length: {len(TEXT)}", body=TEXT))
        time.sleep(0.3)  # the server has it; the answer is never read
    answers = [server.ask("POST", "/v1/jobs", data=TEXT, headers={"Idempotency-Key": key, "Content-Type":
                                                                  "application/json"}) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_one_key_in_a_race_is_one_job(server):
    ids, barrier = [], threading.Barrier(8)

    def submit():
        barrier.wait()
        ids.append(server.ask("POST", "/v1/jobs", json=JOB, headers={"Idempotency-Key": "race"}).json()["id"])

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(ids) == 8 and len(set(ids)) == 1


# ---- paths and rights ----

@pytest.mark.parametrize("path", [
    "/v1/jobs/../users", "/v1/jobs/%2e%2e/users", "/v1/jobs/%00", "/v1/jobs/job_", "/v1//jobs", "/v1/jobs/",
    f"/v1/jobs/{UNKNOWN}/maps/..%2f..%2fadmin.token", "/ui/..%2f..%2fadmin.token", "/ui/%2e%2e/admin.token",
    "/admin.token", "/ui/../../admin.token", "/v1/jobs/" + "a" * 5000])
def test_other_paths_are_not_there(server, path):
    status, text = server.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
                              "Connection: close\r\n\r\n".encode())
    assert status == 404, text
    assert server.token.encode() not in text and str(server.data).encode() not in text


def test_two_users_see_nothing_of_each_other(server, job):
    user = server.ask("POST", "/v1/users", json={"name": "second"})
    assert user.status_code == 201, user.text
    token = server.ask("POST", "/v1/tokens", json={"user": "second"}).json()["token"]
    for path in ("", "/logs", "/events", "/samples", "/draws", "/result", "/maps/convergence_mean"):
        for name in (job, UNKNOWN):
            answers = server.ask("GET", f"/v1/jobs/{name}{path}", token), \
                server.ask("GET", f"/v1/jobs/{UNKNOWN}{path}", token)
            assert [a.status_code for a in answers] == [404, 404]
    for method, path, body in (("DELETE", "", None), ("POST", "/retry", {}), ("POST", "/extend", {"draws": 1})):
        assert server.ask(method, f"/v1/jobs/{job}{path}", token, json=body).status_code == 404
    assert server.ask("GET", "/v1/jobs", token).json()["jobs"] == []
    for method, path in (("GET", "/v1/users"), ("POST", "/v1/users"), ("GET", f"/v1/users/{user.json()['id']}"),
                         ("DELETE", f"/v1/users/{user.json()['id']}"),
                         ("POST", "/v1/workers/wk_0123456789abcdefghijklmnop/drain"), ("GET", "/v1/jobs?all=1")):
        assert server.ask(method, path, token, json={} if method == "POST" else None).status_code == 403
    assert [u["name"] for u in server.ask("GET", "/v1/usage", token).json()["users"]] == ["second"]
    assert server.ask("DELETE", f"/v1/users/{user.json()['id']}").status_code == 204
    assert server.ask("GET", "/v1/jobs", token).status_code == 401


def test_tokens_are_in_no_query_and_no_log(server):
    assert requests.get(f"{server.url}/v1/jobs?access_token={server.token}", timeout=10).status_code == 401
    assert server.ask("GET", f"/v1/jobs?token={server.token}").status_code == 400
    log = (server.data.parent / f"{server.data.name}.log").read_text()
    assert "/v1/jobs" in log and server.token not in log


# ---- datasets ----

def write_map(path, npix=8):
    with h5py.File(path, "w") as f:
        f["convergence"] = np.zeros((1, npix, npix), "f4")
        f["noise_sd"] = np.ones((1, npix, npix), "f4")
        f.attrs.update(size_deg=1.0, ra_deg=0.0, dec_deg=0.0)


def test_datasets_come_and_go(server, tmp_path, document):
    write_map(tmp_path / "map.h5")
    data, headers = (tmp_path / "map.h5").read_bytes(), {"Content-Type": "application/x-hdf5"}
    made = server.ask("POST", "/v1/datasets?name=my%20map", data=data, headers=headers)
    assert made.status_code == 201, made.text
    check(document, "POST", "/v1/datasets", made)
    assert made.json()["kind"] == "convergence" and made.json()["name"] == "my map"
    assert made.headers["Location"] == f"/v1/datasets/{made.json()['id']}"
    again = server.ask("POST", "/v1/datasets", data=data, headers=headers)
    assert again.json()["id"] == made.json()["id"]
    listed = server.ask("GET", "/v1/datasets")
    check(document, "GET", "/v1/datasets", listed)
    one = server.ask("GET", made.headers["Location"])
    check(document, "GET", "/v1/datasets/{dataset}", one)
    assert server.ask("DELETE", made.headers["Location"]).status_code == 204
    assert server.ask("GET", made.headers["Location"]).status_code == 404
    for bad in (b"", b"not HDF5", data[:300], data[:-100] + bytes(50)):
        answer = server.ask("POST", "/v1/datasets", data=bad, headers=headers)
        assert answer.status_code in (400, 201), answer.text
        assert str(server.data) not in answer.text
    assert server.ask("POST", "/v1/jobs", json={**JOB, "name": "@x"}).status_code == 202
    spec = {"kind": "posterior", "model": {"preset": "lsst-y10"}, "data": {"dataset": "@map.h5"}}
    answer = server.ask("POST", "/v1/jobs", json=spec)
    assert answer.status_code == 400 and answer.json()["pointer"] == "/data/dataset"


# ---- the document ----

def schema_of(document, pointer):
    return {"$ref": f"#/components/schemas/{pointer}", "components": document["components"]}


def check(document, method, path, answer):
    """The answer is one that the document allows: status, type, headers, and the body by its schema."""
    operation = document["paths"][path][method.lower()]
    assert str(answer.status_code) in operation["responses"], f"{method} {path}: {answer.status_code} {answer.text}"
    expected = operation["responses"][str(answer.status_code)]
    if "$ref" in expected:
        expected = document["components"]["responses"][expected["$ref"].rsplit("/", 1)[1]]
    assert answer.headers["X-Request-Id"].startswith("rq_")
    if "content" not in expected:
        assert answer.content == b""
        return
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in expected["content"], f"{method} {path}: {kind}"
    schema = expected["content"][kind]["schema"]
    if kind in ("application/json", "application/problem+json"):
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def test_every_answer_is_as_documented(server, job, document):
    ask, seen = server.ask, 0
    body = {"json": {}}
    fill = {"{job}": UNKNOWN, "{dataset}": "ds_" + UNKNOWN[4:], "{worker}": "wk_" + UNKNOWN[4:],
            "{user}": "us_" + UNKNOWN[4:], "{token}": "tk_" + UNKNOWN[4:], "{name}": "a", "{file}": "app.js",
            "{chunk}": "draws-0", "{array}": "x"}
    for path, item in document["paths"].items():
        for method in item:
            where = path
            for name, value in fill.items():
                where = where.replace(name, value)
            more = body if method == "post" else {}
            for answer in (ask(method, where, allow_redirects=False, **more), ask(method, where + "?no=1", **more),
                           requests.request(method, server.url + where, timeout=10, allow_redirects=False, **more)):
                check(document, method, path, answer)
                seen += 1
    assert seen > 90
    for below in ("", "/logs", "/samples", "/result", "/draws", "/maps/{name}", "/chunks/{chunk}/{array}"):
        path = below.replace("{name}", "convergence_mean").replace("{chunk}", "draws-0").replace("{array}", "x")
        answer = ask("GET", f"/v1/jobs/{job}{path}")
        check(document, "GET", f"/v1/jobs/{{job}}{below}", answer)
    check(document, "GET", "/v1/jobs/{job}/samples", ask("GET", f"/v1/jobs/{job}/samples?format=npy"))
    check(document, "POST", "/v1/jobs", ask("POST", "/v1/jobs?dry_run=1", json=JOB))
    check(document, "POST", "/v1/jobs", ask("POST", "/v1/jobs", json=JOB))
    made = ask("POST", "/v1/users", json={"name": "third", "quotas": {"queued": 1}})
    check(document, "POST", "/v1/users", made)
    check(document, "GET", "/v1/users/{user}", ask("GET", made.headers["Location"]))
    check(document, "POST", "/v1/users", ask("POST", "/v1/users", json={"name": "third"}))
    token = ask("POST", "/v1/tokens", json={"user": "third", "label": "t"})
    check(document, "POST", "/v1/tokens", token)
    check(document, "GET", "/v1/tokens", ask("GET", "/v1/tokens"))
    quota = [ask("POST", "/v1/jobs", token.json()["token"], json=JOB) for _ in range(2)][-1]
    assert quota.status_code == 429 and int(quota.headers["Retry-After"]) > 0
    check(document, "POST", "/v1/jobs", quota)
    check(document, "DELETE", "/v1/tokens/{token}", ask("DELETE", token.headers["Location"]))
    check(document, "DELETE", "/v1/users/{user}", ask("DELETE", made.headers["Location"]))


def test_events_are_as_documented(server, document):
    name = server.ask("POST", "/v1/jobs", json=JOB).json()["id"]
    assert server.ask("DELETE", f"/v1/jobs/{name}").status_code == 202
    answer = server.ask("GET", f"/v1/jobs/{name}/events")
    check(document, "GET", "/v1/jobs/{job}/events", answer)
    events = [dict(line.split(": ", 1) for line in block.splitlines())
              for block in answer.text.split("\n\n")[1:] if block]
    assert [int(e["id"]) for e in events] == list(range(1, len(events) + 1))
    assert events[-1]["event"] == "end"
    validator = jsonschema.Draft202012Validator(schema_of(document, "Event"))
    for e in events:
        validator.validate(json.loads(e["data"]))
        assert json.loads(e["data"])["type"] == e["event"]
    over = server.ask("GET", f"/v1/jobs/{name}/events", headers={"Last-Event-ID": events[-1]["id"]})
    assert over.status_code == 204
    check(document, "GET", "/v1/jobs/{job}/events", over)


def test_methods_that_are_not_there(server):
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE"):
        answer = server.ask(method, "/v1/jobs")
        assert answer.status_code == 405 and answer.headers["Allow"] == "POST, GET, HEAD"
    assert server.ask("HEAD", "/v1/jobs").status_code == 200


def test_metrics_are_well_formed(server):
    text = server.ask("GET", "/metrics").text
    names = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge)$", text, re.M))
    for summary in re.findall(r"^# TYPE (\S+) summary$", text, re.M):
        names |= {summary, summary + "_sum", summary + "_count"}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = re.fullmatch(r'(\w+)(?:\{(?:\w+="[^"]*",?)+\})? (\S+)', line).groups()
            assert name in names and float(value) >= 0
    assert {"fullfield_jobs", "fullfield_queue_oldest_seconds", "fullfield_workers", "fullfield_sse_clients",
            "fullfield_http_requests_total", "fullfield_result_bytes_total", "fullfield_job_redeliveries_total",
            "fullfield_job_duration_seconds", "fullfield_build_info"} <= names
    assert UNKNOWN not in text and server.token not in text


def test_pages_are_cut_by_cursor(server):
    made = [server.ask("POST", "/v1/jobs", json={**JOB, "name": f"page {i}"}).json()["id"] for i in range(7)]
    seen, cursor = [], ""
    while True:
        page = server.ask("GET", f"/v1/jobs?limit=3{'&cursor=' + cursor if cursor else ''}").json()
        seen += [j["id"] for j in page["jobs"]]
        server.ask("POST", "/v1/jobs", json=JOB)  # jobs that arrive do not move what was seen
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) and [j for j in seen if j in made] == made[::-1]
    assert server.ask("GET", "/v1/jobs?cursor=x").status_code == 400


def limited(n):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def test_descriptors_running_out_is_a_503(tmp_path):
    """Connections are fewer than descriptors, the last of them are told so, and those that are open go on working."""
    s = Server(tmp_path / "data", "--threads", "2", preexec_fn=limited(80))
    try:
        with s.dial() as first, contextlib.ExitStack() as stack:
            first.sendall(HEALTH)
            assert b" 200 " in first.recv(4096)
            sockets = [stack.enter_context(s.dial()) for _ in range(70)]
            for one in sockets:
                one.sendall(HEALTH)
            time.sleep(0.2)
            first.sendall(HEALTH)
            assert b" 200 " in first.recv(4096)
            statuses = []
            for one in sockets:
                one.settimeout(0.1)
                try:
                    statuses.append(int(one.recv(4096)[9:12] or b"0"))
                except (socket.timeout, ConnectionResetError):
                    statuses.append(0)  # waits in the backlog of the kernel
            assert 200 in statuses and 503 in statuses and set(statuses) <= {0, 200, 503}
        s.wait_for_answer(time.monotonic() + 20)
        assert s.ask("POST", "/v1/jobs", json=JOB).status_code == 202
    finally:
        s.stop()


def test_too_few_descriptors_are_refused_at_start(tmp_path):
    done = subprocess.run([program("ffserver"), "--data", tmp_path / "data", "--listen", "127.0.0.1:0"],
                          preexec_fn=limited(50), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert "ulimit" in done.stderr or "open" in done.stderr
