# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that come late, in part, out of order, twice and changed: realised
quality of every month against oracle numbers."""

import csv
import gzip
import json
import os
import time
import unittest

from driftd import SHARED, Daemon, Place, Postgres, has_shared, seeded

SETS = {"car_loan": "repaid", "car_price": "y_true"}
# Not additive: only bounds are known, which must hold the number.
BOUNDED = {"medae"}


def read_rows(name, which):
    with gzip.open(f"{SHARED}/data/{name}/{which}.csv.gz", "rt", encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def read_golden(path):
    with open(f"{SHARED}/golden/{path}", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def months(name):
    """(chunk_start, chunk_end) -> window start"""
    return {(r["chunk_start"], r["chunk_end"]): r["key"] + "-01T00:00:00Z"
            for r in read_golden(f"{name}.chunks.csv") if r["chunking"] == "month"}


def models():
    return "".join(f'- {{file: "{SHARED}/data/{n}/model.yaml", window: 1mo, min_rows: 1, labels: true}}\n'
                   for n in SETS)


def to_csv(rows):
    lines = [",".join(rows[0])]
    for row in rows:
        lines.append(",".join('"' + v.replace('"', '""') + '"' for v in row.values()))
    return ("\n".join(lines) + "\n").encode()


class Feed:
    """Posts rows in pieces, and again until they are acknowledged."""

    def __init__(self, daemon, size=1000):
        self.daemon, self.size, self.n = daemon, size, 0
        self.before_post = lambda: None

    def send(self, name, route, rows, header=None):
        for i in range(0, len(rows), self.size):
            body = header(rows[i:i + self.size]) if header else to_csv(rows[i:i + self.size])
            self.n += 1
            key = f"feed-{self.n}"
            while True:
                self.before_post()
                try:
                    a = self.daemon.post(f"/v1/models/{name}/{route}", body,
                                         headers={"Content-Type": "text/csv", "Idempotency-Key": key})
                except (OSError, ValueError, RuntimeError):
                    time.sleep(0.05)
                    continue
                if a.status == 200:
                    break
                if a.status < 500:
                    raise RuntimeError(f"{a.status}: {a.body[:300]!r}")
                time.sleep(0.05)


@unittest.skipUnless(has_shared(), "the reference data (../shared) is not here")
class Labels(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        path = self.place.__enter__()
        self.postgres = Postgres(path + "/pg").start()
        self.daemon = Daemon(path + "/d", self.postgres.dsn, models(), journal="flush_interval: 200ms").start()
        for name in SETS:
            self.daemon.baseline(name, f"{SHARED}/data/{name}/reference.csv.gz")

    def tearDown(self):
        self.daemon.stop()
        self.postgres.remove()
        self.place.__exit__()

    def quality(self, name):
        """(window, metric) -> row; final or provisional"""
        rows = {(r["window_start"], r["metric"]): r for r in self.daemon.results(name, signal="quality")
                if r["column"] == "__model__"}
        return {k: r for k, r in rows.items() if not k[1].startswith("drifted")}

    def check(self, found, window, metric, want, what):
        row = found.get((window, metric))
        if want != want:  # nan: no number, or no row
            self.assertTrue(row is None or row["value"] is None, f"{what}: {row} is a number")
            return False
        self.assertIsNotNone(row, f"{what} is not there")
        lower, upper = row["lower"], row["upper"]
        self.assertIsNotNone(lower, what)
        slack = 1e-9 * abs(want) + 1e-12
        self.assertLessEqual(lower - slack, want, what)
        self.assertGreaterEqual(upper + slack, want, what)
        if metric not in BOUNDED:
            self.assertAlmostEqual(row["value"], want, delta=max(slack, (upper - lower)), msg=what)
        return upper - lower <= slack

    def check_full(self, name):
        windows, found = months(name), self.quality(name)
        n = exact = 0
        for r in read_golden(f"{name}.csv"):
            window = windows.get((r["chunk_start"], r["chunk_end"]))
            if window is None or r["column"] != "__model__" or r["metric"].startswith(("cbpe", "nml", "ev_")):
                continue
            exact += self.check(found, window, r["metric"], float(r["value"]),
                                f"{name} {window} {r['metric']}")
            n += 1
        self.assertGreater(n, 10)
        print(f"{name}: {n} numbers, {exact} exact", flush=True)
        for window in windows.values():
            self.assertEqual(found[window, "label_coverage"]["value"], 1)

    def test_labels_in_order_of_their_time(self):
        """Events and labels interleaved; stops at the moments of the oracle."""
        feed = Feed(self.daemon, 5000)
        for name in SETS:
            events = sorted(read_rows(name, "analysis"), key=lambda r: r["timestamp"])
            labels = sorted(read_rows(name, "labels"), key=lambda r: r["label_time"])
            golden = read_golden(f"{name}.delayed.csv")
            windows = months(name)
            n = exact = 0
            for asof in sorted({r["asof"] for r in golden}):
                def upto(rows, column):
                    k = 0
                    while k < len(rows) and rows[k][column][:19] < asof[:19]:
                        k += 1
                    return rows[:k], rows[k:]
                now, events = upto(events, "timestamp")
                feed.send(name, "events", now)
                now, labels = upto(labels, "label_time")
                feed.send(name, "labels", now)
                self.daemon.flush()
                found = self.quality(name)
                for r in golden:
                    if r["asof"] != asof:
                        continue
                    window = windows[r["chunk_start"], r["chunk_end"]]
                    exact += self.check(found, window, r["metric"], float(r["value"]),
                                        f"{name} {window} as of {asof} {r['metric']}")
                    n += 1
            feed.send(name, "events", events)
            feed.send(name, "labels", labels)
            self.daemon.flush(final=True)
            print(f"{name}: {n} numbers as of their moments, {exact} exact", flush=True)
            self.check_full(name)

    def test_shuffled_doubled_changed_and_killed(self):
        rng = seeded()
        feed = Feed(self.daemon, 250)
        killed = 0

        def kill():
            # by posts, not by time: as often on a fast machine
            nonlocal killed
            if feed.n % 80 or killed >= feed.n // 80:
                return
            killed += 1
            self.daemon.kill()
            self.daemon.start()

        feed.before_post = kill
        for name, label in SETS.items():
            rows = read_rows(name, "labels")
            sent = list(rows)
            sent += [rows[i] for i in range(0, len(rows), 10)]
            rng.shuffle(sent)
            wrong, right = [], []
            for row in rows[::100]:
                # later in label time, so that order of arrival decides nothing
                other = {"0": "1", "1": "0"}.get(row[label], "123456.0")
                wrong.append({**row, label: other, "label_time": row["label_time"][:4] + "-12-31T00:00:00Z"})
                right.append({**row, "label_time": str(int(row["label_time"][:4]) + 1) + "-12-31T00:00:00Z"})
            half = len(sent) // 2
            feed.send(name, "labels", sent[:half])
            feed.send(name, "events", read_rows(name, "analysis"))
            both = wrong + right
            rng.shuffle(both)
            feed.send(name, "labels", both[:len(both) // 2])
            feed.send(name, "labels", sent[half:])
            feed.send(name, "labels", both[len(both) // 2:])
            self.daemon.flush(final=True)
            self.check_full(name)
        self.assertGreater(killed, 5)
        counts = self.postgres.query("SELECT count(*) FROM driftd.outcome_inbox")
        self.assertEqual(counts, [["0"]])
        print(f"killed {killed} times", flush=True)

    def outcome_reads(self):
        """Rows of outcomes that any statement has read so far."""
        time.sleep(2.5)  # sessions report their counters once a second
        row = self.postgres.query("SELECT sum(seq_tup_read), sum(idx_tup_fetch) FROM pg_stat_user_tables"
                                  " WHERE relname LIKE 'outcome\\___'")[0]
        return sum(int(float(n or 0)) for n in row)

    def test_late_labels_read_only_their_rows(self):
        feed = Feed(self.daemon, 10000)
        labels = read_rows("car_loan", "labels")
        late = labels[::len(labels) // 100][:100]
        names = {r["id"] for r in late}
        feed.send("car_loan", "events", read_rows("car_loan", "analysis"))
        feed.send("car_loan", "labels", [r for r in labels if r["id"] not in names])
        self.daemon.flush(final=True)
        before = self.outcome_reads()
        feed.send("car_loan", "labels", late)
        self.daemon.flush(final=True)
        read = self.outcome_reads() - before
        # found by its upsert, by the look at its baseline, by the count and by the note
        self.assertLessEqual(read, 100 * 10)
        self.assertGreaterEqual(read, 100)
        self.check_full("car_loan")
        print(f"100 late labels beside {len(labels)}: {read} rows read", flush=True)

    def test_quality_route_and_revisions(self):
        feed = Feed(self.daemon, 10000)
        labels = read_rows("car_loan", "labels")
        feed.send("car_loan", "events", read_rows("car_loan", "analysis"))
        feed.send("car_loan", "labels", labels[:30])
        self.daemon.flush(final=True)
        a = self.daemon.get("/v1/models/car_loan/quality").json["quality"]
        self.assertEqual(len(a), len(months("car_loan")))
        first = a[0]
        self.assertEqual((first["n_predicted"], first["n_labeled"], first["status"]), (207, 30, "provisional"))
        self.assertEqual(first["label_coverage"], 30 / 207)
        self.assertIn("accuracy", first["realised"])
        self.assertEqual(set(a[1]["realised"]), {"n_labeled", "label_coverage"})
        # the same labels again revise nothing; the rest does
        feed.send("car_loan", "labels", labels[:30])
        self.daemon.flush(final=True)
        again = self.daemon.get("/v1/models/car_loan/quality?limit=100").json["quality"]
        self.assertEqual([w["revision"] for w in again], [w["revision"] for w in a])
        feed.send("car_loan", "labels", labels[30:])
        self.daemon.flush(final=True)
        full = self.daemon.get("/v1/models/car_loan/quality").json["quality"]
        self.assertTrue(all(w["status"] == "final" for w in full))
        self.assertEqual(full[0]["revision"], first["revision"] + 1)
        self.assertEqual(full[0]["as_of"][:10], max(r["label_time"] for r in labels[:207])[:10])
        self.assertEqual(self.daemon.get("/v1/models/nobody/quality").status, 404)
        row = self.postgres.query("SELECT sum(labels), sum(superseded), sum(predictions), sum(repeated) FROM driftd.outcome_count")
        self.assertEqual(row, [[str(len(labels) + 30), "0", str(len(labels)), "0"]])

    def test_first_prediction_wins_and_a_sample_is_kept(self):
        self.daemon.write_config(models=models().replace("labels: true", "labels: {sample: 0.1}"))
        self.daemon.stop()
        self.daemon.start()
        feed = Feed(self.daemon, 10000)
        events = read_rows("car_loan", "analysis")[:20000]
        feed.send("car_loan", "events", events)
        feed.send("car_loan", "events", [{**e, "y_pred": "0"} for e in events])
        feed.send("car_loan", "labels", read_rows("car_loan", "labels")[:20000])
        self.daemon.flush(final=True)
        kept, ones = map(int, self.postgres.query(
            "SELECT count(*), count(*) FILTER (WHERE predicted = '1') FROM driftd.outcome WHERE label IS NOT NULL")[0])
        self.assertTrue(1700 < kept < 2300, kept)
        self.assertGreater(ones, kept // 3)  # none, had the second one won
        row = self.postgres.query("SELECT predictions, repeated FROM driftd.outcome_count")
        self.assertEqual(row, [[str(kept), str(kept)]])
        rows = self.daemon.get("/v1/models/car_loan/quality").json["quality"]
        self.assertEqual(sum(w["n_labeled"] for w in rows), kept)
        self.assertTrue(all(w["label_coverage"] == 1 for w in rows))


@unittest.skipUnless(has_shared(), "the reference data (../shared) is not here")
class BadLabels(unittest.TestCase):
    def test_bad_labels_are_counted_and_named(self):
        with Place() as path:
            postgres = Postgres(path + "/pg").start()
            daemon = Daemon(path + "/d", postgres.dsn, models() +
                            f'- {{file: "{SHARED}/data/elec2/model.yaml", window: 1mo}}\n').start()
            url = "/v1/models/car_price/labels"
            try:
                self.assertEqual(daemon.post("/v1/models/nobody/labels", b"{}").status, 404)
                a = daemon.post("/v1/models/elec2/labels", b'{"id": "1", "label": "UP"}\n')
                self.assertEqual((a.status, a.json["error"]["code"]), (400, "no_labels"))
                self.assertEqual(daemon.post(url, b"").status, 400)
                huge = b'{"id": "' + b"a" * 10_000_000 + b'", "label": 1}\n'
                a = daemon.post(url, huge + b'{"id": "1", "label": 2}\n')
                self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 1, 1))
                lines = [{"id": "2", "label": "abc"}, {"label": 1}, {"id": "3"}, {"id": ["4"], "label": 1},
                         {"id": "5", "label": 1, "time": "yesterday"}, {"id": "a" * 2000, "label": 1},
                         {"id": "6", "y_true": 7, "time": "2017-03-01T00:00:00Z"}]
                a = daemon.post(url, "".join(json.dumps(x) + "\n" for x in lines).encode())
                self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 1, 6))
                self.assertEqual([x["line"] for x in a.json["errors"]], [1, 2, 3, 4, 5, 6])
                self.assertIn("is no number", a.json["errors"][0]["message"])
                a = daemon.post(url, b'[{"id": 8, "label": 1}, {"id": 9, "label": 2}]')
                self.assertEqual(a.json["accepted"], 2)
                # unknown ids wait for their predictions
                daemon.flush()
                self.assertEqual(postgres.query("SELECT count(*), count(window_start) FROM driftd.outcome"), [["4", "0"]])
                row = postgres.query("SELECT sum(n_events), sum(applied), sum(rejected) FROM driftd.source_position")
                self.assertEqual(row, [["4", "4", "7"]])
            finally:
                daemon.stop()
                postgres.remove()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    unittest.main(verbosity=2)
