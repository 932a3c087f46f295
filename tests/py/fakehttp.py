"""A server with scripted answers for tests of ffctl: what it is asked is kept, what it answers may break off, be busy,
stream events, or depend on the request. FakeServer listens on a port of this machine or on a unix socket.

    with FakeServer() as server:
        server.on("GET", "/v1/jobs/job_1", Answer(200, {"id": "job_1"}))
        ... ffctl --server server.url ...
    assert server.asked[0].path == "/v1/jobs/job_1"
"""
import http.server
import json
import os
import socketserver
import threading
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One answer. body: bytes, text, or what becomes JSON. cut: after so many bytes of the body the connection is
    closed. hold: the connection stays open, silent, after the body until the server ends."""
    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    hold: bool = False


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def problem(status, slug, detail="because", **members):
    """A problem+json answer as the server gives it."""
    headers = {"Content-Type": "application/problem+json"}
    headers.update(members.pop("headers", {}))
    return Answer(status, {"type": f"urn:fullfield:error:{slug}", "title": slug, "status": status, "detail": detail,
                           "request_id": "req_1", **members}, headers)


def event(seq, kind, **members):
    """An event as text of the stream."""
    data = {"seq": seq, "time": "2026-01-31T23:59:59.123Z", "task": None, "attempt": 1, "type": kind, **members}
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


def stream(*events, cut=None, hold=False):
    """A stream of events that ends after them (cut: in the middle of the last)."""
    return Answer(200, "retry: 50\n\n" + "".join(events), {"Content-Type": "text/event-stream"}, cut=cut, hold=hold)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        request = Request(self.command, url.path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
                          dict(self.headers.items()), self.read_body())
        self.send(self.server.fake.choose(request))

    do_GET = do_POST = do_DELETE = do_HEAD = answer

    def send(self, answer):
        body = answer.body
        if body is None:
            body = b""
        elif isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        endless = answer.hold or answer.headers.get("Content-Type") == "text/event-stream"
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        if not endless and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(body if answer.cut is None else body[:answer.cut])
        self.wfile.flush()
        if answer.hold:
            self.server.fake.ended.wait()


class TcpServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _ = super().get_request()
        return request, ("client", 0)


class FakeServer:
    """on() scripts answers for a method and path: they are given one after another, the last again and again.
    A function is called with the request and returns an Answer."""

    def __init__(self, unix=None):
        self.asked, self.scripts, self.lock, self.ended = [], {}, threading.Lock(), threading.Event()
        self.unix = unix
        self.server = UnixServer(os.fspath(unix), Handler) if unix else TcpServer(("127.0.0.1", 0), Handler)
        self.server.fake = self
        self.url = f"unix:{unix}" if unix else f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def on(self, method, path, *answers):
        self.scripts[method, path] = list(answers)
        return self

    def choose(self, request):
        with self.lock:
            self.asked.append(request)
            script = self.scripts.get((request.method, request.path))
            if not script:
                return problem(404, "not-found", f"nothing at {request.path}")
            answer = script.pop(0) if len(script) > 1 else script[0]
        return answer(request) if callable(answer) else answer

    def requests(self, method, path):
        with self.lock:
            return [request for request in self.asked if (request.method, request.path) == (method, path)]


def ranges(content, etag, cuts=()):
    """An answer function for a file: honours Range; the n-th answer breaks off after cuts[n] bytes."""
    left = list(cuts)

    def answer(request):
        cut = left.pop(0) if left else None
        wanted = request.headers.get("Range")
        headers = {"ETag": f'"{etag}"', "Content-Type": "application/x-hdf5", "Accept-Ranges": "bytes"}
        if not wanted:
            return Answer(200, content, headers, cut=cut)
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        if start >= len(content):
            return problem(416, "range-not-satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Answer(206, content[start:], headers, cut=cut)

    return answer
