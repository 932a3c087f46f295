"""A TCP connection in between that can be cut, held up or made half-open, while it is used."""
import select
import socket
import threading
import time


class Proxy:
    """Forwards connections to its port to another. Modes: "pass"; "hold": nothing gets through, and comes when it
    passes again, as TCP does it over a network that was interrupted; "half": the same for what the server says only;
    "drop": what comes, from either side, is lost; "cut": connections are ended and refused. delay_s: of every piece."""

    def __init__(self, target):
        host, port = target.removeprefix("tcp://").rsplit(":", 1)
        self.target = (host, int(port))
        self.mode, self.delay_s = "pass", 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.peers = {}  # socket -> (the other one, does it lead to the server?)
        self.late = []  # (when, socket, bytes)
        self.ending = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.ending = True
        self.thread.join()

    def set(self, mode):
        self.mode = mode

    # ---- the thread ----

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        if self.mode == "cut":
            client.close()
            return
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers[client], self.peers[server] = (server, True), (client, False)

    def drop(self, end):
        other, _ = self.peers.pop(end)
        self.peers.pop(other, None)
        end.close()
        other.close()

    def forward(self, end):
        if end not in self.peers:
            return
        other, _ = self.peers[end]
        try:
            data = end.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.drop(end)
        elif self.mode != "drop":
            self.late.append((time.monotonic() + self.delay_s, other, data))

    def listened_to(self):
        if self.mode == "hold":
            return [self.listener]
        return [self.listener] + [end for end, (_, to_server) in self.peers.items() if self.mode != "half" or to_server]

    def deliver(self):
        now = time.monotonic()
        while self.late and self.late[0][0] <= now:
            _, end, data = self.late.pop(0)
            if end not in self.peers:
                continue
            try:
                end.sendall(data)
            except OSError:
                self.drop(end)

    def run(self):
        while not self.ending:
            if self.mode == "cut":
                for end in list(self.peers):
                    if end in self.peers:
                        self.drop(end)
            ready, _, _ = select.select(self.listened_to(), [], [], 0.01)
            for end in ready:
                if end is self.listener:
                    self.accept()
                else:
                    self.forward(end)
            self.deliver()
        for end in [*self.peers, self.listener]:
            end.close()
