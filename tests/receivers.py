"""Real receivers of alerts on loopback: an HTTP server and a small SMTP server (RFC 5321's minimum)."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook's receiver: what arrived, and what it answers."""

    url: str = ""
    answer: int = 200
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None  # called when a message has come, before it is answered


@contextmanager
def webhook(port: int) -> Iterator[Hook]:
    """A receiver that keeps every message it took."""
    hook = Hook(url=f"http://127.0.0.1:{port}/alerts")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.answer < 300:
                hook.got.append((dict(self.headers), body))
                hook.meanwhile()
            self.send_response(hook.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", port), Handler)):
        yield hook


@contextmanager
def mailbox(port: int) -> Iterator[list[EmailMessage]]:
    """A mail server that takes everything, without TLS."""
    box: list[EmailMessage] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 test")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self._say("354 go on")
                    data = b"".join(iter(self.rfile.readline, b".\r\n"))
                    box.append(message_from_bytes(data, policy=policy.default))
                elif verb == b"QUIT":
                    self._say("221 bye")
                    return
                self._say("250 ok")

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with _serving(Server(("127.0.0.1", port), Handler)):
        yield box


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
