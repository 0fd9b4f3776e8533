# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: a private PostgreSQL, the daemon, a
receiver of webhooks, a proxy that can misbehave, and small clients.

Only the standard library is used.  Environment: BUILD (directory of the
binary, default build), SHARED (reference data, default ../shared).
"""

import contextlib
import http.client
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, os.environ.get("BUILD", "build"), "driftd")
SHARED = os.path.abspath(os.path.join(ROOT, os.environ.get("SHARED", "../shared")))
SCRIPTS = os.path.join(ROOT, "tests", "scripts")


def has_shared():
    return os.path.isdir(os.path.join(SHARED, "data"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """A private cluster; `dsn` reaches it directly."""

    def __init__(self, directory):
        self.directory = directory
        self.dsn = None

    def _script(self, command):
        return subprocess.run(
            [os.path.join(SCRIPTS, "postgres"), command, self.directory],
            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(self):
        self.dsn = self._script("start")
        return self

    def stop(self):
        self._script("stop")

    def kill(self):
        self._script("kill")

    def remove(self):
        self._script("remove")

    def pids(self):
        """The postmaster and its children."""
        pid = self._script("pid")
        children = subprocess.run(["pgrep", "-P", pid], stdout=subprocess.PIPE,
                                  text=True, check=False).stdout.split()
        return [int(pid)] + [int(p) for p in children]

    def signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def query(self, sql):
        """Rows as lists of text."""
        out = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql, self.dsn],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        return [line.split("\t") for line in out.splitlines() if line]

    def drop_schema(self):
        self.query("SET client_min_messages = warning; DROP SCHEMA IF EXISTS driftd CASCADE")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """One driftd process with a configuration written from a dict of YAML
    text pieces; `models` is YAML text of the list under `models:`."""

    def __init__(self, directory, dsn, models, server="", journal="", alerts="",
                 binary=None, storage="", port=None):
        self.directory = directory
        self.port = port or free_port()
        self.binary = binary or BINARY
        self.process = None
        self.journal_dir = os.path.join(directory, "journal")
        self.config = os.path.join(directory, "driftd.yaml")
        self.log_path = os.path.join(directory, "driftd.log")
        os.makedirs(directory, exist_ok=True)
        self.pieces = dict(dsn=dsn, models=models, server=server,
                           journal=journal, alerts=alerts, storage=storage)
        self.write_config()

    def write_config(self, **changes):
        self.pieces.update(changes)
        p = self.pieces
        def indent(text):
            return "".join("  " + line + "\n" for line in text.strip("\n").splitlines())
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f'server:\n  listen: "127.0.0.1:{self.port}"\n{indent(p["server"])}'
                    f'storage:\n  dsn: "{p["dsn"]}"\n{indent(p["storage"])}'
                    f'journal:\n  dir: "{self.journal_dir}"\n{indent(p["journal"])}')
            if p["alerts"]:
                f.write("alerts:\n" + indent(p["alerts"]))
            f.write("models:\n" + indent(p["models"]))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True, env=None):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "-c", self.config], stderr=log, stdout=log,
            env={**os.environ, **(env or {})})
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"driftd exited with {self.process.returncode}:\n{self.log()[-3000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz").status == 200:
                    return
            time.sleep(0.02)
        raise RuntimeError("driftd is not ready:\n" + self.log()[-3000:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=15):
        """SIGTERM; the exit code and the seconds it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return code, time.monotonic() - started

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def request(self, method, path, body=None, headers=None, timeout=30):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Answer(r.status, dict(r.getheaders()), r.read())
        finally:
            c.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=b"", **kw):
        return self.request("POST", path, body=body, **kw)

    def events(self, model, rows, key=None, **kw):
        """POST dicts as NDJSON."""
        body = "".join(json.dumps(r) + "\n" for r in rows).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        if key:
            headers["Idempotency-Key"] = key
        return self.post(f"/v1/models/{urllib.parse.quote(model, safe='')}/events",
                         body, headers=headers, **kw)

    def flush(self, final=False, timeout=120):
        a = self.post(f"/-/flush?timeout={timeout}s" + ("&final=true" if final else ""),
                      timeout=timeout + 10)
        if a.status != 200:
            raise RuntimeError(f"flush answered {a.status}: {a.body[:500]!r}\n{self.log()[-3000:]}")

    def results(self, model, **query):
        """All pages."""
        rows, cursor = [], None
        while True:
            q = {**query, "limit": 1000}
            if cursor:
                q["cursor"] = cursor
            a = self.get(f"/v1/models/{urllib.parse.quote(model, safe='')}/results?"
                         + urllib.parse.urlencode(q))
            if a.status != 200:
                raise RuntimeError(f"results answered {a.status}: {a.body[:500]!r}")
            page = a.json
            rows += page["results"]
            cursor = page["next_cursor"]
            if not cursor:
                return rows

    def run(self, *args, check=True, stdin=None):
        p = subprocess.run([self.binary, *args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, check=False, stdin=stdin)
        if check and p.returncode:
            raise RuntimeError(f"driftd {' '.join(args)}: exit {p.returncode}\n{p.stderr}")
        return p

    def baseline(self, model, path, version="1", *more):
        return self.run("baseline", "create", "-c", self.config, "--model", model,
                        "--version", version, *more, path)

    def replay(self, model, path, *more, check=True):
        return self.run("replay", "--url", self.url, "--model", model, *more, path, check=check)

    def memory_kib(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise RuntimeError("no memory")


class Receiver:
    """A webhook receiver: `received` holds (headers, body bytes); `status` is
    what it answers, or a function of the request's number (from 0)."""

    def __init__(self):
        self.received = []
        self.status = 200
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer.lock:
                    number = len(outer.received)
                    outer.received.append((dict(self.headers), body))
                status = outer.status(number) if callable(outer.status) else outer.status
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def messages(self):
        with self.lock:
            return [json.loads(body) for _, body in self.received]

    def wait(self, n, timeout=20):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with self.lock:
                if len(self.received) >= n:
                    return True
            time.sleep(0.05)
        return False

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy:
    """A proxy on a Unix socket in front of PostgreSQL's.  `on_client` and
    `on_server` may look at each piece: what they return is passed on, None
    cuts both sides."""

    def __init__(self, directory, target_dsn):
        self.on_client = lambda data: data
        self.on_server = lambda data: data
        target = dict(p.split("=", 1) for p in target_dsn.split())
        self.target = os.path.join(target["host"], ".s.PGSQL.5432")
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, ".s.PGSQL.5432")
        self.dsn = f"host={directory} user={target['user']} dbname={target['dbname']}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(64)
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for a, b, which in ((client, server, "on_client"), (server, client, "on_server")):
                threading.Thread(target=self._pump, args=(a, b, which), daemon=True).start()

    def _pump(self, source, sink, which):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                data = getattr(self, which)(data)
                if data is None:
                    break
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for pair in self.pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()

    def close(self):
        self.socket.close()
        self.cut()


class Place:
    """A temporary directory that also a server run as another user can
    enter."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="driftd-")
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


def seeded():
    """A random generator whose seed is printed, or comes from SEED."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}", flush=True)
    return random.Random(seed)
