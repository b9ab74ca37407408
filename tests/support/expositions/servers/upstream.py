"""An HTTP server behind a proxy that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        mode = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["mode"]
        if mode == "slow":
            time.sleep(0.7)
        self.send_response(500 if mode == "bad" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 24003), Handler).serve_forever()
