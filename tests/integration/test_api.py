# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface and the commands, as a user meets them."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from driftd import BINARY, Daemon, Receiver
from test_exactly_once import MODEL, START, Base, loan, write_csv

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Api(Base):
    def alerts(self, receiver, rule="for: 2 of 3"):
        return (f'receivers:\n  - {{name: hook, type: webhook, url: "{receiver.url}", allow_private: true, '
                f'secret: "{SECRET}"}}\n'
                f"rules:\n  - {{name: input_drift, signal: input, {rule}, severity: critical, receivers: [hook]}}\n")

    def test_metrics_are_clean(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        d.events("loan", self.hours(12, 200))
        d.flush(final=True)
        time.sleep(11.5)  # gauges from the database are rendered every ten seconds
        a = d.get("/metrics")
        self.assertEqual(a.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        text = a.body.decode()
        for name in ("driftd_events_total", "driftd_http_requests_total", "driftd_journal_bytes",
                     "driftd_flush_lag_seconds", "driftd_postgresql_up 1", "driftd_last_event_timestamp_seconds",
                     "driftd_last_window_end_timestamp_seconds", "driftd_column_drifted", "driftd_column_effect",
                     "driftd_drifted_columns_ratio", "driftd_alerts", "driftd_notifications_total",
                     "driftd_notification_backlog", "driftd_build_info", "driftd_config_last_reload_successful 1"):
            self.assertIn(name, text)
        self.assertIn('driftd_events_total{model="loan",outcome="applied"} 2400', text)
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        p = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual((p.returncode, p.stdout), (0, ""))

    def test_health(self):
        d = self.daemon().start()
        for path in ("/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"):
            self.assertEqual(d.get(path).status, 200)
            self.assertEqual(d.request("HEAD", path).status, 200)
        doc = d.get("/openapi.json").json
        self.assertTrue(doc["openapi"].startswith("3."))
        self.assertIn(b"<title>driftd</title>", d.get("/").body)
        for name in ("driftd.js", "driftd.css"):
            self.assertEqual(d.get("/assets/" + name).status, 200)
        self.assertEqual(d.get("/assets/other").status, 404)
        code, seconds = d.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 10)

    def test_reload(self):
        d = self.daemon().start()
        self.assertEqual(d.events("second", [{"x": 1}]).status, 404)
        good = d.pieces["models"]
        d.write_config(models=good + "- {name: second, features: {numeric: [x]}}\n")
        d.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if d.events("second", [{"x": 1}]).status == 200:
                break
            time.sleep(0.05)
        else:
            self.fail("the reload did not happen")
        d.write_config(models=good + "- {name: third, windw: 1h, features: {numeric: [x]}}\n")
        a = d.post("/-/reload")
        self.assertEqual(a.status, 400)
        self.assertIn("windw", a.json["error"]["message"])
        self.assertIn("driftd_config_last_reload_successful 0", d.get("/metrics").body.decode())
        self.assertEqual(d.events("second", [{"x": 1}]).status, 200)
        d.write_config(models=good)
        self.assertEqual(d.post("/-/reload").status, 200)
        self.assertEqual(d.events("second", [{"x": 1}]).status, 404)

    def test_baselines_over_http(self):
        d = self.daemon().start()
        with open(self.reference, "rb") as f:
            data = f.read()
        csv_type = {"Content-Type": "text/csv"}
        path = "/v1/models/loan/baselines/one"
        for _ in range(100):
            a = d.request("PUT", path, data, csv_type)
            if a.status != 503:
                break
            time.sleep(0.1)
        self.assertEqual((a.status, a.json["created"]), (201, True), a.body)
        sha = a.json["sha256"]
        self.assertEqual(d.request("PUT", path, data, csv_type).status, 200)
        other = b"\n".join(data.splitlines()[:-1]) + b"\n"
        self.assertEqual(d.request("PUT", path, other, csv_type).status, 409)
        self.assertEqual(d.request("PUT", "/v1/models/loan/baselines/two", other, csv_type).status, 201)
        one = d.get(path).json
        self.assertEqual((one["sha256"], one["n_rows"], one["active"]), (sha, 8000, True))
        self.assertEqual({c["name"] for c in one["columns"]},
                         {*loan.COLUMNS["numeric"], *loan.COLUMNS["categorical"], "score", "decision"})
        self.assertEqual(d.post("/v1/models/loan/baselines/two/activate").status, 200)
        active = {b["version"]: b["active"] for b in d.get("/v1/models/loan/baselines").json["baselines"]}
        self.assertEqual(active, {"one": False, "two": True})
        self.assertEqual(d.get("/v1/models/loan/baselines/none").status, 404)
        # the command makes the same of the same data
        p = d.run("baseline", "create", "-c", d.config, "--model", "loan", "--version", "one", self.reference)
        self.assertIn(sha, p.stdout)
        self.assertIn("two", d.run("baseline", "list", "-c", d.config, "--model", "loan").stdout)
        self.assertIn("employment_years", d.run("baseline", "show", "-c", d.config, "--model", "loan", "one").stdout)

    def test_pinned_baseline(self):
        d = self.daemon(models=MODEL + '  baseline: "one"\n').start()
        d.baseline("loan", self.reference, "two", "--activate")
        d.flush()
        active = lambda: {b["version"] for b in d.get("/v1/models/loan/baselines").json["baselines"] if b["active"]}  # noqa: E731
        self.assertEqual(active(), set())
        d.baseline("loan", self.reference, "one")
        self.assertEqual(active(), {"one"})
        self.assertEqual(d.post("/v1/models/loan/baselines/two/activate").status, 409)
        d.events("loan", self.hours(1, 600))
        d.flush(final=True)
        self.assertEqual({r["baseline"] for r in d.results("loan", metric="psi")}, {"one"})

    def test_results(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        d.events("loan", self.hours(12, 300))
        d.flush()
        open_rows = d.results("loan")
        self.assertEqual({r["window_start"] for r in open_rows}, {"2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z"})
        self.assertEqual({r["final"] for r in open_rows if r["window_start"].startswith("2026-01-01T06")}, {False})
        d.flush(final=True)
        rows = d.results("loan", final="true")
        members = {"window_start", "window_end", "column", "metric", "value", "lower", "upper", "p_value", "threshold",
                   "status", "drifted", "n_reference", "n_current", "baseline", "revision", "final", "signal",
                   "model_version", "slice", "severity", "bound", "label_coverage"}
        self.assertLessEqual(members, set(rows[0]))
        paged, cursor = [], ""
        while cursor is not None:
            page = d.get("/v1/models/loan/results?final=true&limit=7" + (f"&cursor={cursor}" if cursor else "")).json
            self.assertLessEqual(len(page["results"]), 7)
            paged += page["results"]
            cursor = page["next_cursor"]
        self.assertEqual(paged, rows)
        self.assertTrue(all(r["metric"] == "psi" for r in d.results("loan", metric="psi")))
        self.assertTrue(all(r["signal"] == "output" for r in d.results("loan", signal="output")))
        half = d.results("loan", **{"from": "2026-01-01T06:00:00Z", "to": "2026-01-01T12:00:00Z"})
        self.assertEqual({r["window_start"] for r in half}, {"2026-01-01T06:00:00Z"})
        # late events: a revision, the older one on request
        d.events("loan", list(loan.traffic(1, START, 50, seed=5)))
        d.flush()
        first = {r["revision"] for r in d.results("loan", final="true", window="2026-01-01T00:00:00Z")}
        self.assertEqual(first, {2})
        both = {r["revision"] for r in d.results("loan", revisions="all", window="2026-01-01T00:00:00Z")}
        self.assertEqual(both, {1, 2})
        a = d.get("/v1/models/loan/columns/purpose/distribution?window_start=2026-01-01T06:00:00Z").json
        self.assertEqual(sum(c["current"] for c in a["cells"]), 1800)
        psi = d.results("loan", column="purpose", metric="psi", window="2026-01-01T06:00:00Z")[0]["value"]
        self.assertAlmostEqual(sum(b["psi_contribution"] for b in a["bins"]), psi, 12)
        a = d.get("/v1/models/loan/columns/income/distribution?window_start=2026-01-01T06:00:00Z").json
        self.assertEqual((len(a["bins"]), a["bins"][0]["lower"], a["bins"][9]["upper"]), (10, None, None))
        self.assertEqual(sum(b["reference"] for b in a["bins"]), 8000)
        self.assertEqual(d.get("/v1/models/loan/columns/none/distribution?window_start=2026-01-01T06:00:00Z").status, 404)
        glance = d.get("/v1/models/loan").json
        self.assertEqual(glance["active_baseline"], "1")
        self.assertEqual(d.run("status", "--url", d.url).returncode, 0)

    def test_versions_of_one_model(self):
        second = MODEL.replace('version: "1"', 'version: "2"')
        d = self.daemon(models=MODEL + "  default: true\n" + second).start()
        d.baseline("loan", self.reference, "1", "--model-version", "2")
        rows = self.hours(1, 90)
        for i, row in enumerate(rows):
            if i % 3:
                row["model_version"] = str(i % 3)
        a = d.events("loan", rows + [dict(rows[0], model_version="9")], key="v")
        self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 90, 1), a.body)
        self.assertIn("not configured", a.json["errors"][0]["message"])
        self.assertTrue(d.events("loan", rows + [dict(rows[0], model_version="9")], key="v").json["duplicate"])
        a = d.post("/v1/models/loan/events?version=2", json.dumps(rows[:3]).encode(),
                   headers={"Content-Type": "application/json"})
        self.assertEqual((a.json["accepted"], a.json["rejected"]), (2, 1))
        d.flush(final=True)
        volume = lambda v: [r["value"] for r in d.results("loan", version=v, metric="volume")]  # noqa: E731
        self.assertEqual((volume("1"), volume("2")), ([60], [32]))
        self.assertEqual({r["model_version"] for r in d.results("loan", version="2")}, {"2"})
        status = {r["status"] for r in d.results("loan", version="1") if r["column"] != "__model__"}
        self.assertEqual(status, {"no_baseline"})
        # without a default every record has to say which
        d.write_config(models=MODEL + second)
        self.assertEqual(d.post("/-/reload").status, 200)
        a = d.events("loan", rows)
        self.assertEqual((a.json["accepted"], a.json["rejected"]), (60, 30), a.body)

    def test_without_a_baseline(self):
        d = self.daemon().start()
        d.events("loan", self.hours(6, 200))
        d.flush(final=True)
        rows = d.results("loan", final="true")
        self.assertEqual({r["status"] for r in rows if r["column"] != "__model__"}, {"no_baseline"})
        self.assertFalse(any(r["drifted"] for r in rows))

    def test_alert_fires_resolves_and_is_signed(self):
        receiver = Receiver()
        receiver.status = lambda n: 503 if n == 0 else 200
        d = self.daemon(alerts=self.alerts(receiver)).start()
        d.baseline("loan", self.reference)
        for window in range(8):
            # shifted in windows 2 to 4
            hour = 24 if 2 <= window <= 4 else 0
            rows = [dict(e, timestamp=loan.rfc3339(START + window * 21600 + i * 10))
                    for i, e in enumerate(loan.traffic(hour, START, 1500, seed=window + 10))]
            self.assertEqual(d.events("loan", rows).status, 200)
            d.flush()
        d.flush(final=True)
        self.assertTrue(receiver.wait(3, 40), receiver.messages())
        messages = receiver.messages()
        self.assertEqual([m["type"] for m in messages],
                         ["driftd.alert.firing", "driftd.alert.firing", "driftd.alert.resolved"])
        self.assertEqual(messages[0], messages[1])  # the retry, byte for byte
        (h0, b0), (h1, b1) = receiver.received[:2]
        self.assertEqual((h0["webhook-id"], b0), (h1["webhook-id"], b1))
        data = messages[0]["data"]
        self.assertEqual(data["window_start"], "2026-01-01T18:00:00Z")
        self.assertEqual([c["column"] for c in data["columns"]], ["income"])
        self.assertTrue(data["columns"][0]["top"])
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        for headers, body in receiver.received:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            self.assertIn(want, headers["webhook-signature"].split(" "))
        alerts = d.get("/v1/alerts").json["alerts"]
        self.assertEqual([a["state"] for a in alerts], ["resolved"])
        receiver.close()

    def test_acknowledged_alert_does_not_repeat(self):
        receiver = Receiver()
        d = self.daemon(alerts=self.alerts(receiver, "for: 1 of 1")).start()
        d.baseline("loan", self.reference)

        def window(n):
            rows = [dict(e, timestamp=loan.rfc3339(START + n * 21600 + i * 10))
                    for i, e in enumerate(loan.traffic(24, START, 1500, seed=n + 10))]
            d.events("loan", rows)
            d.flush(final=False)

        window(0)
        window(1)
        self.assertTrue(receiver.wait(1))
        alert = d.get("/v1/alerts?state=open").json["alerts"][0]
        a = d.post(f"/v1/alerts/{alert['alert_id']}/ack")
        self.assertEqual((a.status, a.json["state"]), (200, "acknowledged"), a.body)
        time.sleep(1.5)
        window(2)
        window(3)
        time.sleep(1)
        self.assertEqual(len(receiver.messages()), 1)
        self.assertEqual(d.post("/v1/alerts/00/ack").status, 404)
        a = d.post(f"/v1/alerts/{alert['alert_id']}/resolve")
        self.assertEqual((a.status, a.json["state"]), (200, "resolved"), a.body)
        receiver.close()

    def test_tokens(self):
        tokens = os.path.join(self.dir, "tokens")
        os.makedirs(self.dir)
        digest = lambda t: hashlib.sha256(t.encode()).hexdigest()  # noqa: E731
        with open(tokens, "w", encoding="ascii") as f:
            f.write(f"# who may do what\nshipper ingest {digest('i')}\nviewer read {digest('r')}\n"
                    f"boss admin {digest('a')}\nother ingest {digest('o')} other-*\n")
        d = self.daemon(server=f'tokens_file: "{tokens}"').start()
        d.baseline("loan", self.reference)
        bearer = lambda t: {"Authorization": "Bearer " + t}  # noqa: E731
        row = b'{"age": 40}\n'
        table = [("POST", "/v1/models/loan/events", {"": 401, "x": 401, "i": 200, "r": 403, "a": 200, "o": 403}),
                 ("GET", "/v1/models/loan/baselines", {"": 401, "x": 401, "i": 403, "r": 200, "a": 200}),
                 ("POST", "/-/reload", {"": 401, "x": 401, "i": 403, "r": 403, "a": 200}),
                 ("GET", "/metrics", {"": 401, "r": 200}),
                 ("GET", "/healthz", {"": 200, "x": 200})]
        for method, path, codes in table:
            for token, code in codes.items():
                for _ in range(50):
                    a = d.request(method, path, row if method == "POST" else None, bearer(token) if token else {})
                    if a.status != 503:
                        break
                    time.sleep(0.1)
                self.assertEqual(a.status, code, (method, path, token, a.body))

    def test_exit_codes(self):
        run = lambda *a: subprocess.run([BINARY, *a], stdout=subprocess.PIPE, stderr=subprocess.PIPE,  # noqa: E731
                                        text=True, check=False)
        self.assertEqual(run("--version").returncode, 0)
        self.assertEqual(run("--help").returncode, 0)
        for c in ("serve", "check", "migrate", "baseline", "replay", "status"):
            self.assertEqual(run(c, "--help").returncode, 0, c)
        self.assertEqual(run().returncode, 64)
        self.assertEqual(run("dance").returncode, 64)
        self.assertEqual(run("check", "-c", "/nowhere.yaml").returncode, 78)
        self.assertEqual(run("status", "--url", "http://127.0.0.1:1").returncode, 69)
        d = self.daemon()
        with open(d.config, "a", encoding="ascii") as f:
            f.write("storag: {}\n")
        p = run("check", "-c", d.config)
        self.assertEqual(p.returncode, 78)
        self.assertRegex(p.stderr, r"^driftd: .*driftd\.yaml:\d+:1: .*storag")
        p = run("serve", "-c", d.config)
        self.assertEqual(p.returncode, 78)

    def test_one_process_a_journal(self):
        d = self.daemon("a").start()
        other = Daemon(os.path.join(self.dir, "b"), self.postgres.dsn, MODEL)
        other.journal_dir = d.journal_dir
        other.write_config()
        other.start(wait=False)
        self.assertEqual(other.process.wait(10), 78)

    def test_full_journal_answers_503_and_recovers(self):
        self.postgres.stop()
        d = self.daemon(journal="max_bytes: 8MiB\nsegment_bytes: 1MiB\nretain: 0s\nflush_interval: 200ms").start()
        rows = self.hours(1, 1000)
        sent, full = 0, None
        for _ in range(200):
            a = d.events("loan", rows)
            if a.status == 503:
                full = a
                break
            self.assertEqual(a.status, 200)
            sent += len(rows)
        self.assertIsNotNone(full)
        self.assertIn("Retry-After", full.headers)
        self.postgres.start()
        for _ in range(200):
            a = d.events("loan", rows)
            if a.status == 200:
                break
            time.sleep(0.1)
        self.assertEqual(a.status, 200, a.body)
        sent += len(rows)
        d.flush(final=True)
        self.assertEqual(self.volume(d), sent)

    def test_interval_durability_is_said(self):
        d = self.daemon(journal="sync: interval\nflush_interval: 200ms").start()
        a = d.events("loan", self.hours(1, 10))
        self.assertEqual(a.json["durability"], "interval")
        d.flush(final=True)
        self.assertEqual(self.volume(d), 10)

    def test_replay_resumes(self):
        d = self.daemon().start()
        path = os.path.join(self.dir, "events.csv")
        write_csv(path, self.hours(4, 250))
        first = d.replay("loan", path, "--run", "r1", "--batch", "100", "--until", "2026-01-01T02:00:00Z")
        self.assertIn("500 accepted", first.stdout)
        second = d.replay("loan", path, "--run", "r1", "--batch", "100", "--connections", "3")
        self.assertIn("500 accepted, 500 duplicate", second.stdout)
        d.flush(final=True)
        self.assertEqual(self.volume(d), 1000)
        ndjson = os.path.join(self.dir, "events.ndjson")
        with open(ndjson, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(e) + "\n" for e in loan.traffic(5, START, 100))
        self.assertIn("100 accepted", d.replay("loan", ndjson).stdout)
        with open(ndjson, "rb") as f:
            p = d.run("replay", "--url", d.url, "--model", "loan", "-", stdin=f)
        self.assertIn("100 accepted", p.stdout)


del Base  # its tests run where it is defined

if __name__ == "__main__":
    unittest.main(verbosity=2)
