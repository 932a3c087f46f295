"""Users, paths, bodies, files: what nobody may see, and what no request may do. A server with one gang; alice owns a
job with a result, one that waits, a dataset and a token, and bob tries every route of proto/openapi.json on them."""
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import ROOT, program

sys.path.insert(0, str(ROOT / "tests" / "fault"))
from house import House, memory, until  # noqa: E402 (the path is set above)

POSTERIOR = {"kind": "posterior", "seed": 3, "model": {"preset": "lsst-y10", "field": {"npix": 16},
                                                       "sources": {"gaussian": [{"z": 0.5, "sd": 0.1,
                                                                                 "n_per_arcmin2": 10}]}},
             "data": {"mock": {"seed": 7}},
             "sampler": {"algorithm": "hmc", "chains": 2, "warmup": 10, "draws": 10}}
SECRET = "a-name-that-only-alice-knows"
MISSING = {"job": "job_" + "0" * 26, "dataset": "ds_" + "0" * 26, "worker": "wk_" + "0" * 26, "user": "us_" + "0" * 26,
           "token": "tk_" + "0" * 26}
DOCUMENT = json.loads((ROOT / "proto/openapi.json").read_text(encoding="utf-8"))

# Every route is of one kind; one that is new has to be added here, or the tests fail.
OPEN = {("GET", path) for path in ("/", "/healthz", "/readyz", "/ui", "/ui/", "/ui/{file}", "/v1/version",
                                   "/v1/openapi.json")}
ADMIN = {("POST", "/v1/workers/{worker}/drain"), ("POST", "/v1/users"), ("GET", "/v1/users"),
         ("GET", "/v1/users/{user}"), ("DELETE", "/v1/users/{user}")}
OWN = {("GET", "/metrics"), ("POST", "/v1/jobs"), ("GET", "/v1/jobs"), ("POST", "/v1/datasets"),
       ("GET", "/v1/datasets"), ("GET", "/v1/workers"), ("POST", "/v1/tokens"), ("GET", "/v1/tokens"),
       ("GET", "/v1/usage")}
BY_ID = {(method, path) for method, path in [
    ("GET", "/v1/jobs/{job}"), ("DELETE", "/v1/jobs/{job}"), ("POST", "/v1/jobs/{job}/retry"),
    ("POST", "/v1/jobs/{job}/extend"), ("GET", "/v1/jobs/{job}/logs"), ("GET", "/v1/jobs/{job}/events"),
    ("GET", "/v1/jobs/{job}/samples"), ("GET", "/v1/jobs/{job}/draws"), ("GET", "/v1/jobs/{job}/maps/{name}"),
    ("GET", "/v1/jobs/{job}/result"), ("GET", "/v1/jobs/{job}/chunks/{chunk}/{array}"),
    ("GET", "/v1/datasets/{dataset}"), ("DELETE", "/v1/datasets/{dataset}"), ("DELETE", "/v1/tokens/{token}")]}
BODIES = {"/v1/jobs/{job}/extend": {"draws": 5}, "/v1/users": {"name": "carol"}, "/v1/jobs": {"kind": "noop"},
          "/v1/jobs/{job}/retry": {}, "/v1/workers/{worker}/drain": {}, "/v1/tokens": {"label": "x"}}


def routes():
    return {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item
            if method in ("get", "post", "delete", "put", "patch", "head", "options")}


class World:
    """The server, its users, and what alice has."""

    def __init__(self, folder):
        config = folder / "config.json"
        config.write_text(json.dumps({"quotas": {"submits_per_minute": 100000}}), encoding="utf-8")
        self.house = House(program("ffserver").parents[1], options=["--config", config])
        self.tokens = []
        self.bodies = []  # of every problem

    def start(self):
        self.house.start()
        self.house.gang()
        self.admin = self.user(None)
        self.alice, self.bob = self.user("alice"), self.user("bob")
        self.done = self.submit(self.alice, dict(POSTERIOR, name=SECRET))
        self.waiting = self.submit(self.alice, {"kind": "noop", "name": SECRET, "resources": {"pool": "nowhere"}})
        self.dataset = self.upload(self.alice)
        tokens = self.call(self.alice, "GET", "/v1/tokens").json()["tokens"]
        self.token_id = tokens[0]["id"]
        until(lambda: self.job(self.done)["state"] == "succeeded", 60, "alice's posterior")
        users = self.call(self.admin, "GET", "/v1/users").json()["users"]
        self.user_id = next(user["id"] for user in users if user["name"] == "alice")
        self.worker = self.call(self.admin, "GET", "/v1/workers").json()["workers"][0]["id"]
        return self

    def user(self, name):
        """A client with a token of its own; name None: the administrator."""
        admin = self.house.client()
        if name is None:
            self.tokens.append(self.house.token())
            return admin
        assert self.call(admin, "POST", "/v1/users", {"name": name}).status == 201
        reply = self.call(admin, "POST", "/v1/tokens", {"user": name})
        assert reply.status == 201, reply
        self.tokens.append(reply.json()["token"])
        return self.house.client(self.tokens[-1])

    def call(self, client, method, path, body=None, **rest):
        reply = client.call(method, path, body, **rest)
        if reply.status >= 400:
            self.bodies.append((method, path, reply))
            assert method == "HEAD" or reply.headers["content-type"] == "application/problem+json", reply
        return reply

    def submit(self, client, job):
        reply = self.call(client, "POST", "/v1/jobs", job)
        assert reply.status == 202, reply
        return reply.json()["id"]

    def job(self, job, client=None):
        reply = self.call(client or self.admin, "GET", f"/v1/jobs/{job}")
        assert reply.status == 200, reply
        return reply.json()

    def upload(self, client, value=0.1):
        path = self.house.folder / "data.h5"
        with h5py.File(path, "w") as file:
            file["z"], file["n"] = np.linspace(0, 2, 21), np.full(21, 1 + value)
        reply = self.call(client, "POST", f"/v1/datasets?name={SECRET}", path.read_bytes(),
                          headers={"Content-Type": "application/x-hdf5"})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def ids(self, client=None):
        """What to put for the parameters of a path: alice's."""
        return {"job": self.done, "dataset": self.dataset, "token": self.token_id, "user": self.user_id,
                "worker": self.worker, "name": "convergence_mean", "file": "app.js", "chunk": "draws-0", "array": "x"}

    def raw(self, data, limit_s=5, shut=False):
        """Sends bytes as they are; everything that comes until the server closes. shut: says that no more will come."""
        with self.house.socket(limit_s) as s:
            try:
                s.sendall(data)
                if shut:
                    s.shutdown(socket.SHUT_WR)
                return everything(s)
            except OSError:  # closed meanwhile
                return b""


def everything(s):
    text = b""
    try:
        while piece := s.recv(65536):
            text += piece
    except (ConnectionResetError, socket.timeout):
        pass
    return text


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("security"))
    with w.house:
        yield w.start()


def filled(path, values):
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], path)


# ---- two users ----


def test_every_route_is_of_a_known_kind():
    kinds = [OPEN, ADMIN, OWN, BY_ID]
    assert set.union(*kinds) == routes()
    assert sum(map(len, kinds)) == len(routes())


@pytest.mark.parametrize("method, path", sorted(BY_ID))
def test_what_is_anothers_is_missing(world, method, path):
    """The same status, headers and body as for an id that nobody has, but for the id itself."""
    parameter = re.search(r"\{(job|dataset|token)\}", path).group(1)
    targets = [world.ids()] + ([{**world.ids(), "job": world.waiting}] if parameter == "job" else [])
    for target in targets:
        answers = []
        for values in (target, {**target, **MISSING}):
            reply = world.call(world.bob, method, filled(path, values), BODIES.get(path))
            assert reply.status == 404, reply
            text = reply.body.decode().replace(values[parameter], "ID")
            text = text.replace(reply.headers["x-request-id"], "REQUEST")
            headers = {k: v for k, v in reply.headers.items() if k not in ("date", "x-request-id")}
            answers.append((text, headers.keys()))
            assert SECRET not in text
        assert answers[0] == answers[1]
    # and nothing of it was done
    assert world.job(world.waiting)["state"] == "queued" and world.job(world.done)["state"] == "succeeded"
    assert world.call(world.alice, "GET", f"/v1/datasets/{world.dataset}").status == 200
    assert world.call(world.alice, "GET", "/v1/tokens").status == 200


def test_the_owner_and_the_administrator_see_it(world):
    for client in (world.alice, world.admin):
        for path in ("/v1/jobs/{job}", "/v1/jobs/{job}/logs", "/v1/jobs/{job}/events", "/v1/jobs/{job}/samples",
                     "/v1/jobs/{job}/maps/{name}?bin=0", "/v1/jobs/{job}/result", "/v1/datasets/{dataset}"):
            assert world.call(client, "GET", filled(path, world.ids())).status == 200, path


@pytest.mark.parametrize("method, path", sorted(ADMIN))
def test_only_an_administrator_may(world, method, path):
    for values in (world.ids(), {**world.ids(), **MISSING}):
        for client in (world.alice, world.bob):
            reply = world.call(client, method, filled(path, values), BODIES.get(path))
            assert reply.status == 403, reply
    assert world.call(world.admin, "GET", f"/v1/users/{world.user_id}").status == 200
    names = {user["name"] for user in world.call(world.admin, "GET", "/v1/users").json()["users"]}
    assert "carol" not in names
    assert not [w for w in world.house.workers() if w["state"] == "draining"]


def test_lists_are_of_ones_own(world):
    mine = world.submit(world.bob, {"kind": "noop", "name": "bobs"})
    for path in ("/v1/jobs?limit=500", "/v1/datasets", "/v1/tokens", "/v1/usage", "/v1/workers"):
        reply = world.call(world.bob, "GET", path)
        text = reply.body.decode()
        assert reply.status == 200
        for secret in (SECRET, "alice", world.done, world.waiting, world.dataset, world.token_id):
            assert secret not in text, path
    jobs = world.call(world.bob, "GET", "/v1/jobs").json()["jobs"]
    assert [job["id"] for job in jobs] == [mine]
    assert world.call(world.bob, "GET", "/v1/jobs?all=1").status == 403
    everybodys = world.call(world.admin, "GET", "/v1/jobs?all=1&limit=500").json()["jobs"]
    assert {mine, world.done, world.waiting} <= {job["id"] for job in everybodys}
    # a page mark of alice's shows bob nothing but his own
    cursor = world.call(world.alice, "GET", "/v1/jobs?limit=1").json()["next_cursor"]
    reply = world.call(world.bob, "GET", f"/v1/jobs?cursor={cursor}")
    assert reply.status == 400 or {job["id"] for job in reply.json()["jobs"]} <= {mine}


def test_the_gang_of_a_foreign_job_says_nothing_of_it(world):
    job = world.submit(world.alice, {"kind": "noop", "sleep_s": 30, "name": SECRET})
    until(lambda: world.job(job)["state"] == "running", 10, "alice's job runs")
    try:
        assert job in world.call(world.admin, "GET", "/v1/workers").body.decode()
        text = world.call(world.bob, "GET", "/v1/workers").body.decode()
        assert job not in text and SECRET not in text
        text = world.call(world.bob, "GET", "/metrics").body.decode()
        assert job not in text and "alice" not in text
    finally:
        assert world.call(world.alice, "DELETE", f"/v1/jobs/{job}").status == 202
    until(lambda: world.job(job)["state"] == "cancelled", 10, "it is cancelled")


def test_a_foreign_dataset_cannot_be_used(world):
    job = {"kind": "posterior", "model": {"preset": "lsst-y10", "field": {"npix": 16},
                                          "sources": {"tables": [{"nz": "ID", "n_per_arcmin2": 5}]}},
           "data": {"mock": {"seed": 1}}, "sampler": {"chains": 1, "warmup": 5, "draws": 5}}
    for query in ("", "?dry_run=1"):
        answers = []
        for dataset in (world.dataset, "ds_" + "1" * 26):
            body = json.loads(json.dumps(job).replace("ID", dataset))
            reply = world.call(world.bob, "POST", "/v1/jobs" + query, body)
            assert reply.status == 404, reply
            answers.append(re.sub(r"rq_\w+", "", reply.body.decode().replace(dataset, "ID")))
        assert answers[0] == answers[1]
    mine = json.loads(json.dumps(job).replace("ID", world.dataset))
    assert world.call(world.alice, "POST", "/v1/jobs?dry_run=1", mine).status == 200


def test_keys_and_tokens_belong_to_one_user(world):
    headers = {"Idempotency-Key": "the-same-for-both"}
    ids = [world.call(client, "POST", "/v1/jobs", {"kind": "noop"}, headers=headers).json()["id"]
           for client in (world.alice, world.bob)]
    assert ids[0] != ids[1]
    assert world.call(world.bob, "POST", "/v1/tokens", {"user": "alice"}).status == 403
    assert world.call(world.bob, "POST", "/v1/tokens", {"user": world.user_id}).status == 403
    assert world.call(world.bob, "POST", "/v1/tokens", {"user": "nobody-of-that-name"}).status == 403


# ---- tokens ----


@pytest.mark.parametrize("method, path", sorted(routes() - OPEN))
def test_without_a_token_nothing_is_told(world, method, path):
    url = filled(path, world.ids())
    garbage = "ff_" + "0" * 64
    for headers in ({"Authorization": ""}, {"Authorization": f"Bearer {garbage}"},
                    {"Authorization": f"Basic {world.tokens[0]}"}, {"Authorization": f"Bearer {world.tokens[0]}0"},
                    {"Authorization": f"Bearer {world.tokens[0][:-1]}"}):
        reply = world.call(world.bob, method, url, BODIES.get(path), headers=headers)
        assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer"), reply
    lines = [f"{method} {url}?token={world.tokens[0]} HTTP/1.1", "Host: x", "Connection: close"]
    if method == "POST":
        lines.append("Content-Length: 0")
    text = world.raw("\r\n".join(lines + ["", ""]).encode())
    assert text.startswith(b"HTTP/1.1 401"), text


def test_a_revoked_token_is_refused_at_once(world):
    reply = world.call(world.alice, "POST", "/v1/tokens", {"label": "short-lived"})
    assert reply.status == 201
    world.tokens.append(reply.json()["token"])
    other = world.house.client(reply.json()["token"])
    assert world.call(other, "GET", "/v1/jobs").status == 200
    assert "token" not in world.call(world.alice, "GET", "/v1/tokens").json()["tokens"][-1]
    assert world.call(world.alice, "DELETE", f"/v1/tokens/{reply.json()['id']}").status == 204
    assert world.call(other, "GET", "/v1/jobs").status == 401


def test_a_removed_user_is_refused_at_once(world):
    dave = world.user("dave")
    job = world.submit(dave, {"kind": "noop", "resources": {"pool": "nowhere"}})
    users = world.call(world.admin, "GET", "/v1/users").json()["users"]
    number = next(user["id"] for user in users if user["name"] == "dave")
    assert world.call(world.admin, "DELETE", f"/v1/users/{number}").status == 204
    assert world.call(dave, "GET", "/v1/jobs").status == 401
    assert world.job(job)["state"] == "cancelled"


def test_quotas_say_when_to_come_back(world):
    reply = world.call(world.admin, "POST", "/v1/users", {"name": "erin", "quotas": {"submits_per_minute": 2}})
    assert reply.status == 201
    reply = world.call(world.admin, "POST", "/v1/tokens", {"user": "erin"})
    world.tokens.append(reply.json()["token"])
    erin = world.house.client(reply.json()["token"])
    statuses = []
    for _ in range(4):
        reply = world.call(erin, "POST", "/v1/jobs", {"kind": "noop"})
        statuses.append(reply.status)
    assert statuses == [202, 202, 429, 429]
    assert int(reply.headers["retry-after"]) > 0
    assert world.call(world.bob, "POST", "/v1/jobs", {"kind": "noop"}).status == 202


# ---- paths ----

TRICKS = ["..", ".", "%2e%2e", "%2e%2e%2fadmin.token", "..%2f..%2fadmin.token", "..%5c..%5cadmin.token",
          "../../admin.token", "....//admin.token", "%00", "{id}%00", "{id}%00.h5", "%00{id}", "{id}/..", "{id}/../..",
          "{id}%2f..", "{id}%0d%0aX-Injected:%201", "{id};a=b", "{id}%20", "%20{id}", "{id}.h5", "{id}%", "{id}%zz",
          "{ID}", "{id}a", "job_", "*", "~", "%c0%ae%c0%ae", "%ef%bc%8e%ef%bc%8e", "%f0%9f%92%a9", "é", "%ff%fe",
          "/etc/passwd", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "' OR 1=1--", "%27%20OR%201%3D1--",
          "{id}%27", "$(id)", "a" * 300, "a" * 5000, "%61" * 3000, "job_" + "a" * 25 + "%c3%a9"]


@pytest.mark.parametrize("route", sorted({path for _, path in BY_ID | ADMIN | OPEN if "{" in path}))
def test_no_path_leads_out(world, route):
    """As raw bytes, since clients tidy paths up. None of the tricks is another name of something that is there."""
    values = world.ids()
    for method, parameter, trick in [(m, p, t) for m, path in sorted(routes()) if path == route
                                     for p in re.findall(r"\{(\w+)\}", route) for t in TRICKS]:
        own = trick.replace("{id}", values[parameter]).replace("{ID}", values[parameter].upper())
        path = filled(route, {**values, parameter: own})
        head = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {world.tokens[0]}", "Connection: close"]
        if method == "POST":
            head.append("Content-Length: 0")
        text = world.raw("\r\n".join(head + ["", ""]).encode())
        status = int(text.split(b" ", 2)[1]) if text.startswith(b"HTTP/1.1 ") else None
        # with a blank in it the line is no request: the connection may be closed without an answer
        assert status in (400, 404, 405, 414, 431) or (status is None and " " in path), (path, text[:300])
        for leak in (b"root:", b"X-Injected", world.tokens[0].encode(), str(world.house.folder).encode()):
            assert leak not in text.replace(path.encode(), b""), path
    assert world.call(world.admin, "GET", "/healthz").status == 200


def test_a_result_that_became_a_link_is_not_followed(world):
    results = world.house.data / "store" / "results"
    path = next(path for path in results.rglob("*.h5") if world.done in str(path))
    aside = path.with_suffix(".aside")
    path.rename(aside)
    try:
        path.symlink_to("/etc/passwd")
        reply = world.call(world.alice, "GET", f"/v1/jobs/{world.done}/result")
        assert reply.status in (500, 503) and b"root:" not in reply.body, reply
        path.unlink()
        path.symlink_to(aside)
        reply = world.call(world.alice, "GET", f"/v1/jobs/{world.done}/result")
        assert reply.status in (500, 503), reply
    finally:
        path.unlink(missing_ok=True)
        aside.rename(path)
    assert world.call(world.alice, "GET", f"/v1/jobs/{world.done}/result").status == 200


def test_forced_errors_are_told_without_insides(world):
    """The answer names a request; the log has the cause under that name."""
    results = world.house.data / "store" / "results"
    aside = results.with_name("results-aside")
    results.rename(aside)
    try:
        reply = world.call(world.alice, "GET", f"/v1/jobs/{world.done}/result")
    finally:
        aside.rename(results)
    assert reply.status in (500, 503), reply
    assert reply.json()["request_id"] in world.house.server_words()
    assert world.call(world.alice, "GET", f"/v1/jobs/{world.done}/result").status == 200


# ---- requests of two minds ----


def test_a_request_cannot_hide_in_another(world):
    hidden = b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"
    admin = f"Authorization: Bearer {world.tokens[0]}"
    base = ["POST /v1/jobs HTTP/1.1", "Host: x", admin, "Content-Type: application/json"]
    job = b'{"kind":"noop"}'  # a good one, so that whoever reads the body in any way accepts it
    size, plain, chunked = len(job), job + hidden, b"%x\r\n" % len(job) + job + b"\r\n0\r\n\r\n" + hidden
    for extra, body in [([f"Content-Length: {size}", "Transfer-Encoding: chunked"], chunked),
                        (["Transfer-Encoding: chunked", f"Content-Length: {len(chunked)}"], chunked),
                        ([f"Content-Length: {size}", f"Content-Length: {size + len(hidden)}"], plain),
                        ([f"Content-Length: {size}", f"Content-Length: {size}"], plain),
                        ([f"Content-Length: {size}, {size}"], plain), ([f"Content-Length: {size};"], plain),
                        ([f"Content-Length: +{size}"], plain), ([f"Content-Length: 0x{size:x}"], plain),
                        (["Transfer-Encoding: identity, chunked"], chunked),
                        (["Transfer-Encoding: xchunked", f"Content-Length: {size}"], plain),
                        (["Transfer-Encoding:\tchunked", f"Content-Length: {size}"], chunked),
                        (["Transfer-Encoding : chunked", f"Content-Length: {size}"], plain),
                        ([f"Content-Length : {size}", f"Content-Length: {size}"], plain),
                        (["X: y\r\n Transfer-Encoding: chunked", "Content-Length: -1"], chunked),
                        (["Transfer-Encoding: chunked"], b"-1\r\n" + hidden),
                        (["Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\n" + hidden)]:
        text = world.raw("\r\n".join(base + extra + ["", ""]).encode() + body, 2)
        assert b"HTTP/1.1 2" not in text and b"protocol" not in text, (extra, text)
        assert not text or text.split(b" ", 2)[1] in (b"400", b"413", b"415", b"501"), (extra, text)
    for method in ("GET", "DELETE"):
        text = world.raw(f"{method} /v1/jobs/{MISSING['job']} HTTP/1.1\r\nHost: x\r\n{admin}\r\n"
                         f"Content-Length: {len(hidden)}\r\n\r\n".encode() + hidden)
        assert text.startswith(b"HTTP/1.1 400") and b"HTTP/1.1 2" not in text, text


BOMBS = [b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b"[" * 1000000, b"{" * 1000000,
         b'{"kind":NaN}', b'{"kind":"noop","sleep_s":1e400}', b'{"kind":"noop","sleep_s":-Infinity}',
         b'{"name":"' + b"x" * 2000000 + b'","kind":"noop"}', b'{"' + b"k" * 2000000 + b'":1}',
         b"[" + b"0," * 1000000 + b"0]", b"{" + b",".join(b'"%d":0' % i for i in range(300000)) + b"}",
         b'{"kind":"noop","kind":"noop"}', b'{"kind":"noop\\u0000"}', b'{"kind":"noop"}\0', b'{"kind":"\xff\xfe"}',
         b'{"kind":"\\ud800"}', b"", b" ", b"null", b"0", b'"noop"', b"\xef\xbb\xbf{}", b"1" * 1000000,
         b'{"kind":"noop","count":99999999999999999999999999}', b'{"kind":"noop","count":1e18}',
         b'{"kind":"noop","count":0.5}', b'{"kind":"noop","resources":{"ranks":-1}}']


def test_json_bombs_are_refused_and_cost_nothing(world):
    headers = {"Content-Type": "application/json"}
    pid = world.house.server.pid
    for bomb in BOMBS:
        reply = world.call(world.bob, "POST", "/v1/jobs", bomb, headers=headers)
        many = bomb.count(b"[") + bomb.count(b"{") + bomb.count(b",") > 200000  # values: that is too large
        assert reply.status == (413 if many else 400), (bomb[:60], reply)
        assert len(reply.body) < 4096
    before = memory(pid)
    for _ in range(8):
        for bomb in BOMBS:
            assert world.call(world.bob, "POST", "/v1/jobs", bomb, headers=headers).status in (400, 413)
    assert memory(pid) - before < 32 << 20
    for bomb in (BOMBS[0], b'{"draws":1e400}', b'{"draws":NaN}', b"[]", b'{"draws":5,"x":1}'):
        reply = world.call(world.alice, "POST", f"/v1/jobs/{world.done}/extend", bomb, headers=headers)
        assert reply.status == 400, (bomb[:60], reply)
    assert world.bob.connection is not None  # it is kept: bodies that were read do not cost the connection


def test_a_bad_member_is_named_by_its_pointer(world):
    for job, pointer in [({"kind": "noop", "count": 0}, "/count"), ({"kind": "noop", "coutn": 1}, "/coutn"),
                         ({"kind": "posterior", "model": {"preset": "lsst-y10", "field": {"npix": "x"}}},
                          "/model/field/npix"),
                         (dict(POSTERIOR, data={"dataset": "@data.h5"}), "/data/dataset")]:
        reply = world.call(world.bob, "POST", "/v1/jobs", job)
        assert reply.status == 400 and reply.json()["pointer"] == pointer, reply


def test_oversized_bodies_are_refused_unread(world):
    """With the head alone the answer is there; a body that never ends is not taken for long."""
    admin = f"Authorization: Bearer {world.tokens[0]}"
    for path, kind, size in [("/v1/jobs", "json", 9 << 20), ("/v1/jobs", "json", 1 << 62),
                             ("/v1/users", "json", 1 << 20), ("/v1/datasets", "x-hdf5", 1 << 45)]:
        with world.house.socket(5) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{admin}\r\nContent-Type: application/{kind}\r\n"
                      f"Content-Length: {size}\r\n\r\n".encode())
            text = everything(s)
            assert text.startswith(b"HTTP/1.1 413"), (path, text)
    before, sent, piece = memory(world.house.server.pid), 0, b"10000\r\n" + b" " * 65536 + b"\r\n"
    with world.house.socket(5) as s:
        s.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\n{admin}\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises(OSError):
            while sent < 1 << 30:
                s.sendall(piece)
                sent += 65536
    assert sent < 128 << 20
    until(lambda: memory(world.house.server.pid) - before < 32 << 20, 5, "its memory is given back")


def test_large_heads_are_refused(world):
    for head in ("X: " + "y" * 40000, "\r\n".join(f"X-{i}: y" for i in range(5000)), "X" * 40000 + ": y"):
        text = world.raw(f"GET /v1/version HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode(), 1)
        assert not text or re.match(rb"HTTP/1\.1 (400|413|431)", text), text[:200]
    for line in (f"GET /{'a' * 40000} HTTP/1.1", f"GET /v1/jobs?cursor={'a' * 40000} HTTP/1.1", "A" * 40000):
        text = world.raw(f"{line}\r\nHost: x\r\n\r\n".encode(), 1)
        assert not text or re.match(rb"HTTP/1\.1 (400|404|414|431)", text), text[:200]
    for junk in (b"\0" * 1000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
                 b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"\r\n" * 5000):
        assert not re.match(rb"HTTP/1\.1 (2|500)", world.raw(junk, shut=True)), junk[:40]
    assert world.call(world.bob, "GET", "/healthz").status == 200


# ---- who may listen, connect, read ----


def test_files_are_nobody_elses(world):
    secrets = {"admin.token", "server.key", "worker.key", "token",
               "fullfield.db", "fullfield.db-wal", "fullfield.db-shm"}
    seen = set()
    for folder, folders, files in os.walk(world.house.data):
        for name in folders + files + ["."]:
            path = pathlib.Path(folder, name)
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert mode & 0o027 == 0, f"{path}: {mode:o}"  # others: nothing; the group changes nothing
            if name in secrets:
                seen.add(name)
                assert mode & 0o077 == 0, f"{path}: {mode:o}"
    assert {"admin.token", "server.key", "worker.key", "fullfield.db"} <= seen


def test_other_addresses_need_tls(tmp_path):
    for address in ("0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0"):
        done = subprocess.run([program("ffserver"), "--data", tmp_path / "d", "--listen", address], timeout=20,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "--i-have-tls" in done.stderr, done
    assert not (tmp_path / "d").exists()


AS_ANOTHER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/users HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
print(s.makefile("rb").read().decode())
"""


def ask_unix(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(b"GET /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return everything(s)


def test_a_unix_socket_is_its_owners(tmp_path):
    """Only the account of the server is let in without a token, even where the file's mode was opened."""
    with House(program("ffserver").parents[1]) as house:
        folder = house.folder / "s"
        folder.mkdir()
        path = folder / "sock"
        house.start("--listen", f"unix:{path}")
        until(path.exists, 10, "the socket is there")
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert ask_unix(path).startswith(b"HTTP/1.1 200")
        if os.getuid() != 0:
            pytest.skip("another account can only be tried by root")
        command = [sys.executable, "-c", AS_ANOTHER, path]
        os.chmod(house.folder, 0o755)
        os.chmod(folder, 0o755)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode != 0 and "PermissionError" in done.stderr, done
        os.chmod(path, 0o666)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.stdout.startswith("HTTP/1.1 401"), done


def test_a_slow_head_is_closed_and_disturbs_nobody():
    with House(program("ffserver").parents[1], options=["--deadline-s", "1"]) as house:
        house.start()
        text = b"GET /v1/version HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 1000
        with house.socket(10) as s:
            s.settimeout(0.1)
            for i in range(100):  # ten seconds, if it is let to
                try:
                    s.sendall(text[i:i + 1])
                    if s.recv(100) == b"":
                        break
                except socket.timeout:
                    assert house.api.get("/healthz", timeout=2).status == 200
                except OSError:
                    break
            assert i < 50, "a head of one byte at a time was still read after five seconds"


# ---- what fuzzing the document finds ----

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance"]


@pytest.mark.slow
@pytest.mark.parametrize("with_ids", [False, True], ids=["any ids", "real ids"])
def test_schemathesis_finds_nothing(world, tmp_path, with_ids):
    """No 5xx and no answer that proto/openapi.json does not have: as a user, with ids that are made up or found in
    answers; and as an administrator, with ids that exist. Streams of events are left out (schemathesis reads to their
    end, which a job that waits does not have); so is revoking tokens, where it could hit the one in use."""
    python = pathlib.Path(sys.executable)
    if subprocess.run([python, "-c", "import schemathesis"], capture_output=True, check=False).returncode != 0:
        pytest.skip("schemathesis (PyPI) is not installed: make venv")
    spare = world.call(world.admin, "POST", "/v1/tokens", {"user": "bob", "label": "spare"})
    mine = world.call(world.admin, "POST", "/v1/tokens", {"user": "admin" if with_ids else "bob", "label": "fuzz"})
    world.tokens += [spare.json()["token"], mine.json()["token"]]
    lines = ["color = false", "[checks]", "enabled = false", *[f"{check}.enabled = true" for check in CHECKS]]
    left_out = "getV1JobsJobEvents" if with_ids else "getV1JobsJobEvents|deleteV1TokensToken"
    if with_ids:
        user = world.call(world.admin, "POST", "/v1/users", {"name": "spare"}).json()["id"]
        ids = {**world.ids(), "token": spare.json()["id"], "user": user, "dataset": world.upload(world.bob, 0.7)}
        lines += ["[parameters]", *[f'"path.{name}" = "{value}"' for name, value in ids.items()]]
    config = tmp_path / "schemathesis.toml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    host, port = world.house.address()
    done = subprocess.run(
        [python, "-m", "schemathesis.cli", "--config-file", config, "run", ROOT / "proto/openapi.json", "--url",
         f"http://{host}:{port}", "--header", f"Authorization: Bearer {mine.json()['token']}", "--max-examples", "25",
         "--seed", "1", "--request-timeout", "20", "--exclude-operation-id-regex", left_out, "--phases",
         "examples,coverage,fuzzing", "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT / "tests/py"),
             "SCHEMATHESIS_HOOKS": "fuzz_hooks"})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) generated", done.stdout).group(1)) > 500
    assert not world.house.server.ended()
    assert world.call(world.house.client(mine.json()["token"]), "GET", "/v1/jobs").status == 200


# ---- at the end, over everything that happened before ----


def test_problems_never_tell_of_the_inside(world):
    assert world.bodies
    forbidden = [str(world.house.folder), "/tmp", "SELECT", "sqlite", "SQLITE", ".c:", "src/", "stack",
                 "fullfield.db", "errno"]
    for method, path, reply in world.bodies:
        if method == "HEAD":
            continue
        problem = json.loads(reply.body)
        assert {"type", "title", "status", "detail", "request_id"} <= set(problem)
        assert problem["status"] == reply.status and problem["type"].startswith("urn:fullfield:error:")
        text = json.dumps({k: v for k, v in problem.items() if k not in ("instance",)})
        for word in forbidden:
            assert word not in text, (method, path, text)


def test_tokens_and_keys_are_in_no_file_and_no_command_line(world):
    """Of the whole folder but the files that are made to hold them; and of the gang's environment and arguments."""
    token = world.tokens[1]
    for path in (f"/v1/jobs?token={token}", f"/v1/jobs/{token}", f"/v1/tokens/{token}", f"/{token}", f"/ui/{token}"):
        world.call(world.bob, "GET", path)
    world.call(world.bob, "POST", "/v1/jobs", {"kind": token})
    for headers in ({"Authorization": token}, {"Authorization": f"Bearer {token} x"}, {"Last-Event-ID": token},
                    {"Range": token}):
        world.call(world.bob, "GET", f"/v1/jobs/{world.done}/events", headers=headers)
    data = world.house.data
    secrets = {name: (data / name).read_bytes().strip() for name in ("server.key", "worker.key")}
    secrets |= {f"token {i}": t.encode() for i, t in enumerate(world.tokens)}
    secrets |= {f"digits of token {i}": t.removeprefix("ff_").encode() for i, t in enumerate(world.tokens)}
    assert all(len(secret) >= 40 for secret in secrets.values())
    shutil.copy(data / "fullfield.db", world.house.folder / "copy.db")
    looked, holders = 0, ("admin.token", "server.key", "worker.key", "reserve")
    for path in world.house.folder.rglob("*"):
        if not path.is_file() or path.is_symlink() or path.name in holders:
            continue
        content, looked = path.read_bytes(), looked + 1
        for name, secret in secrets.items():
            assert secret not in content, f"{name} is in {path}"
    assert looked > 10
    for pid in [p.pid for p in [world.house.server, *world.house.gangs] if not p.ended()]:
        for what in ("cmdline", "environ"):
            content = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
            assert not [name for name, secret in secrets.items() if secret in content], f"{what} of {pid}"
