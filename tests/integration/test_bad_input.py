# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies that no client should send: refused with a reason, or read; never a
crash, memory within the bound, and the next good request works.

Runs against the build with sanitizers when there is one (BUILD_ASAN)."""

import base64
import csv
import glob
import gzip
import io
import json
import os
import socket
import time
import unittest
import urllib.parse
import zlib

from driftd import BINARY, ROOT, SHARED, Daemon, Place, Postgres, has_shared

ASAN = os.environ.get("BUILD_ASAN")
BINARY_HERE = os.path.join(ROOT, ASAN, "driftd") if ASAN else BINARY
GOOD = [{"x": 1.5, "c": "a", "id": "g"}]
MODELS = """- name: spectrum
  task: none
  features: {categorical: [a, b, c, first, last, address, city, zip, key, val]}
- name: bad
  task: none
  id: id
  timestamp: at
  features: {numeric: [x, y], categorical: [c, d]}
  window: 1d
"""


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        path = cls.place.__enter__()
        cls.postgres = Postgres(path + "/pg").start()
        cls.daemon = Daemon(path + "/d", cls.postgres.dsn, MODELS, binary=BINARY_HERE,
                            journal="flush_interval: 200ms",
                            server="limits: {max_body: 8MiB, max_record: 1MiB, ingest_memory: 64MiB}").start()

    @classmethod
    def tearDownClass(cls):
        code, _ = cls.daemon.stop(30)
        cls.postgres.remove()
        log = cls.daemon.log()
        cls.place.__exit__()
        assert code == 0 and "Sanitizer" not in log, log[-4000:]

    def tearDown(self):
        a = self.daemon.events("bad", GOOD)
        self.assertEqual((a.status, a.json["accepted"]), (200, 1), "the next good request works")
        self.assertIsNone(self.daemon.process.poll())

    def send(self, body, content_type="application/json", **headers):
        return self.daemon.post("/v1/models/bad/events", body,
                                headers={"Content-Type": content_type, **headers})

    @unittest.skipUnless(has_shared(), "the corpora (../shared) are not here")
    def test_json_test_suite(self):
        n = {"y": 0, "n": 0, "i": 0}
        for path in sorted(glob.glob(f"{SHARED}/corpora/JSONTestSuite/test_parsing/*.json")):
            name = os.path.basename(path)
            with open(path, "rb") as f:
                body = f.read()
            a = self.send(body)
            self.assertIn(a.status, (200, 400), (name, a.body))
            n[name[0]] += 1
            if name.startswith("n_"):
                self.assertTrue(a.status == 400 or a.json["rejected"] > 0, (name, a.body))
            elif name.startswith("y_") and a.status == 400:
                text = a.body.decode()
                self.assertTrue("no object" in text or "no record" in text, (name, text))
        self.assertGreater(n["y"], 90)
        self.assertGreater(n["n"], 180)
        print(n, flush=True)

    @unittest.skipUnless(has_shared(), "the corpora (../shared) are not here")
    def test_naughty_strings(self):
        with open(f"{SHARED}/corpora/big-list-of-naughty-strings/blns.base64.json", encoding="utf-8") as f:
            strings = [base64.b64decode(s) for s in json.load(f)]
        kept = set()
        for raw in strings:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                self.assertEqual(self.send(b'{"c": "' + raw + b'"}').status, 400)
                continue
            for row in ({"c": text}, {text: 1}, {"x": text}, {"id": text, "x": 1}, {"at": text, "x": 1}):
                a = self.send(json.dumps(row).encode())
                self.assertIn(a.status, (200, 400), (row, a.body))
            out = io.StringIO()
            csv.writer(out).writerows([["x", "c"], ["1", text]])
            a = self.send(out.getvalue().encode(), "text/csv")
            self.assertIn(a.status, (200, 400), (text, a.body))
            if text and "\0" not in text:
                kept.add(text)
            a = self.daemon.events(text or "%", GOOD)
            self.assertIn(a.status, (400, 404), (text, a.status))
        self.daemon.flush()
        tables = self.postgres.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'driftd'")
        self.assertGreaterEqual(int(tables[0][0]), 15)
        self.assertEqual(self.daemon.get("/v1/models/bad").status, 200)
        print(f"{len(strings)} strings", flush=True)

    @unittest.skipUnless(has_shared(), "the corpora (../shared) are not here")
    def test_naughty_names(self):
        """As names of models, columns and categories: what goes in comes out."""
        with open(f"{SHARED}/corpora/big-list-of-naughty-strings/blns.base64.json", encoding="utf-8") as f:
            strings = [base64.b64decode(s) for s in json.load(f)]
        quoted = lambda n: json.dumps(n, ensure_ascii=False)  # noqa: E731
        names = []
        for raw in strings:
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                continue
            if name and name not in names and name.isprintable():
                names.append(name)
        models, kept = "", []
        with Place() as place:
            for name in names[::3]:
                entry = f"- {{name: {quoted(name)}, features: {{numeric: [x], categorical: [{quoted(name)}]}}}}\n"
                d = Daemon(place + "/check", self.postgres.dsn, entry, binary=BINARY_HERE)
                p = d.run("check", "-c", d.config, check=False)
                self.assertIn(p.returncode, (0, 78), (name, p.stderr))
                if p.returncode == 0:
                    models += entry
                    kept.append(name)
            d = Daemon(place + "/d", self.postgres.dsn, models, binary=BINARY_HERE,
                       journal="flush_interval: 200ms").start()
            for name in kept:
                self.assertEqual(d.events(name, [{"x": 1, name: name}] * 3).status, 200, name)
            d.flush(final=True)
            for name in kept:
                rows = d.results(name)
                self.assertEqual({r["column"] for r in rows}, {"x", name, "__model__"})
                self.assertEqual([r["value"] for r in rows if r["metric"] == "volume"], [3])
            self.assertEqual(d.stop(30)[0], 0)
        self.assertGreater(len(kept), 100)
        print(f"{len(kept)} names", flush=True)

    @unittest.skipUnless(has_shared(), "the corpora (../shared) are not here")
    def test_csv_spectrum(self):
        for path in sorted(glob.glob(f"{SHARED}/corpora/csv-spectrum/csvs/*.csv")):
            with open(path, "rb") as f:
                a = self.daemon.post("/v1/models/spectrum/events", f.read(), headers={"Content-Type": "text/csv"})
            with open(path.replace("csvs", "json").replace(".csv", ".json"), encoding="utf-8") as f:
                rows = json.load(f)
            self.assertEqual(a.status, 200, (path, a.body))
            self.assertEqual(a.json["accepted"], len(rows), (path, a.body))

    def test_deep_nesting(self):
        for body in (b"[" * 100000, b'{"a":' * 100000, b'{"x":' + b"[" * 100000 + b"]" * 100000 + b"}"):
            began = time.monotonic()
            self.assertEqual(self.send(body).status, 400)
            self.assertLess(time.monotonic() - began, 5)

    def test_one_long_line(self):
        before = self.daemon.memory_kib()
        length = 100 << 20
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as s:
            s.settimeout(10)
            s.sendall(b"POST /v1/models/bad/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
            try:
                s.sendall(b'{"x": 1, "c": "' + b"a" * length)
            except OSError:
                pass  # it was refused before it was read
            self.assertEqual(s.recv(4096)[:12], b"HTTP/1.1 413")
        # within max_body but beyond max_record: that record alone
        a = self.send(b'{"x": 1, "c": "' + b"a" * (2 << 20) + b'"}\n{"x": 2}\n', "application/x-ndjson")
        self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 1, 1), a.body)
        self.assertLess(self.daemon.memory_kib() - before, 256 << 10)

    def test_long_line_without_a_length(self):
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as s:
            s.sendall(b"POST /v1/models/bad/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"a" * 65536
            try:
                for _ in range(1600):
                    s.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
            except OSError:
                return
            s.settimeout(10)
            self.assertIn(s.recv(4096)[:12], (b"HTTP/1.1 413", b"HTTP/1.1 400", b""))

    def test_compressed_bodies(self):
        good = b'{"x": 1}\n' * 100
        packed = gzip.compress(good)
        self.assertEqual(self.send(packed, **{"Content-Encoding": "gzip"}).json["accepted"], 100)
        for cut in (1, 5, 10, len(packed) - 1):
            self.assertEqual(self.send(packed[:cut], **{"Content-Encoding": "gzip"}).status, 400)
        self.assertEqual(self.send(packed + b"rubbish", **{"Content-Encoding": "gzip"}).status, 400)
        self.assertEqual(self.send(good, **{"Content-Encoding": "gzip"}).status, 400)
        self.assertEqual(self.send(good, **{"Content-Encoding": "br"}).status, 415)

    def test_gzip_bomb(self):
        before = self.daemon.memory_kib()
        z = zlib.compressobj(9, zlib.DEFLATED, 31)
        body = b"".join([z.compress(b" " * (1 << 20)) for _ in range(512)] + [z.flush()])
        a = self.send(body, **{"Content-Encoding": "gzip"})
        self.assertEqual(a.status, 413, a.body)
        self.assertLess(self.daemon.memory_kib() - before, 64 << 10)

    def test_types(self):
        a = self.send(json.dumps([
            {"x": "1.5", "c": True}, {"x": None, "c": 1.0}, {"x": "", "c": ""}, {"x": "nan", "c": None},
            {"x": "Infinity"}, {"x": [1]}, {"x": {}}, {"x": True}, {"x": "1e999"}, {"c": []}, {"nobody": 1}]).encode())
        self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 11, 0))
        self.assertEqual(a.json["invalid_values"], 7)
        self.assertEqual(a.json["unknown_columns"], {"nobody": 1})

    def test_records_are_rejected_alone(self):
        a = self.send(b'{"x": 1}\n{"x": oops}\n{"x": 3}\n[]\n{"x": 4, "at": "yesterday"}\n', "application/x-ndjson")
        self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 2, 3))
        self.assertEqual([e["line"] for e in a.json["errors"]], [2, 4, 5])
        self.assertEqual(a.json["errors"][0]["column"], 7)

    def test_framing(self):
        for headers in (b"Content-Length: 8\r\nTransfer-Encoding: chunked\r\n",
                        b"Content-Length: 8\r\nContent-Length: 9\r\n",
                        b"Content-Length: -1\r\n"):
            with socket.create_connection(("127.0.0.1", self.daemon.port)) as s:
                s.settimeout(5)
                s.sendall(b"POST /v1/models/bad/events HTTP/1.1\r\nHost: x\r\n" + headers + b'\r\n{"x": 1}')
                try:
                    answer = s.recv(4096)
                except OSError:
                    answer = b""
                self.assertIn(answer[:12], (b"HTTP/1.1 400", b""), headers)

    def test_routes(self):
        self.assertEqual(self.daemon.events("nobody", GOOD).status, 404)
        self.assertEqual(self.daemon.get("/v1/models/bad/events").status, 405)
        self.assertEqual(self.daemon.get("/nowhere").status, 404)
        self.assertEqual(self.daemon.get("/v1/models/bad/results?limit=0").status, 400)
        self.assertEqual(self.daemon.get("/v1/models/bad/results?from=tomorrow").status, 400)
        self.assertEqual(self.daemon.get("/v1/models/bad/results?cursor=rubbish").status, 400)
        self.assertEqual(self.send(b"<x/>", "application/xml").status, 415)
        self.assertEqual(self.send(b"").status, 400)
        name = urllib.parse.quote("../../etc/passwd", safe="")
        self.assertEqual(self.daemon.get(f"/v1/models/{name}").status, 404)

    def test_slow_senders_do_not_hold_the_others(self):
        sockets = []
        for _ in range(50):
            s = socket.create_connection(("127.0.0.1", self.daemon.port))
            s.sendall(b"POST /v1/models/bad/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            sockets.append(s)
        began = time.monotonic()
        self.assertEqual(self.daemon.get("/healthz").status, 200)
        self.assertLess(time.monotonic() - began, 0.5)
        for s in sockets:
            s.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
