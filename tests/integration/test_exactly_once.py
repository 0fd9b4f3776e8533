# SPDX-License-Identifier: GPL-3.0-or-later
"""Every acknowledged event takes effect once, whatever dies."""

import csv
import glob
import json
import os
import random
import shutil
import sys
import threading
import time
import unittest

from driftd import ROOT, Daemon, Place, Postgres, Proxy, seeded

sys.path.insert(0, os.path.join(ROOT, "tests", "demo"))
import loan  # noqa: E402

MODEL = f"""- name: loan
  version: "1"
  task: binary
  id: id
  timestamp: timestamp
  prediction: decision
  score: score
  positive: approve
  features:
    numeric: [{", ".join(loan.COLUMNS["numeric"])}]
    categorical: [{", ".join(loan.COLUMNS["categorical"])}]
  window: 6h
  lateness: 10m
"""
FAST = "flush_interval: 200ms"
START = 1767225600  # 2026-01-01T00:00:00Z


def write_csv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(f, row.keys(), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def comparable(rows):
    """Results without what may differ between runs, as bytes."""
    return [json.dumps({k: v for k, v in r.items() if k != "revision"}, sort_keys=True) for r in rows]


def counters(postgres):
    names = ("n_events", "applied", "duplicate", "late", "rejected", "corrupt", "lost", "key_conflict")
    row = postgres.query("SELECT " + ", ".join(f"coalesce(sum({n}), 0)" for n in names) + " FROM driftd.source_position")[0]
    return dict(zip(names, map(int, row)))


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.path = cls.place.__enter__()
        cls.postgres = Postgres(cls.path + "/pg").start()
        cls.reference = cls.path + "/reference.csv"
        write_csv(cls.reference, loan.reference(8000))

    @classmethod
    def tearDownClass(cls):
        cls.postgres.remove()
        cls.place.__exit__()

    def setUp(self):
        self.postgres.drop_schema()
        self.daemons = []
        self.dir = os.path.join(self.path, self.id().rsplit(".", 1)[1])

    def tearDown(self):
        for d in self.daemons:
            if d.process and d.process.poll() is None:
                d.kill()

    def daemon(self, name="d", dsn=None, **kw):
        kw.setdefault("journal", FAST)
        d = Daemon(os.path.join(self.dir, name), dsn or self.postgres.dsn, kw.pop("models", MODEL), **kw)
        self.daemons.append(d)
        return d

    def volume(self, d):
        return sum(r["value"] for r in d.results("loan", final="true", metric="volume"))

    def hours(self, n_hours, per_hour):
        return [e for h in range(n_hours) for e in loan.traffic(h, START, per_hour)]


class KillNine(Base):
    N_KILLS = int(os.environ.get("N_KILLS", 30))

    def test_thirty_kills_change_no_result(self):
        rng = seeded()
        path = os.path.join(self.path, "analysis.csv")
        write_csv(path, (e for h in range(60) for e in loan.traffic(h, START, 700)))
        whole = self.daemon("whole").start()
        whole.baseline("loan", self.reference)
        whole.replay("loan", path, "--batch", "250")
        whole.flush(final=True)
        want = comparable(whole.results("loan", final="true"))
        whole.stop()
        self.postgres.drop_schema()

        d = self.daemon("killed").start()
        d.baseline("loan", self.reference)
        sender = threading.Thread(target=lambda: out.append(
            d.replay("loan", path, "--batch", "100", "--connections", "4", "--rate", "4000", check=False)))
        out, kills = [], 0
        sender.start()
        while kills < self.N_KILLS:
            time.sleep(rng.uniform(0.02, 0.5))
            d.kill()
            d.start()
            kills += 1
        sender.join()
        self.assertEqual(out[0].returncode, 0, out[0].stderr)
        d.flush(final=True)
        self.assertEqual(self.volume(d), 42000)
        got = comparable(d.results("loan", final="true"))
        self.assertEqual(len(got), len(want))
        self.assertEqual(got, want)
        n = counters(self.postgres)
        self.assertEqual(n["applied"], 42000)
        self.assertEqual(n["n_events"] + n["lost"], n["applied"] + n["duplicate"] + n["late"] + n["corrupt"] + n["lost"])
        print(f"{kills} kills, {n}, {out[0].stdout.strip()}", flush=True)


class Harder(Base):
    def test_one_key_sent_to_two_daemons_at_once(self):
        a, b = self.daemon("a").start(), self.daemon("b").start()
        a.baseline("loan", self.reference)
        events = self.hours(12, 600)
        batches = [events[i:i + 300] for i in range(0, len(events), 300)]

        def send(d):
            for i, batch in enumerate(batches):
                self.assertEqual(d.events("loan", batch, key=f"k{i}").status, 200)

        threads = [threading.Thread(target=send, args=(d,)) for d in (a, b)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        a.flush()
        b.flush(final=True)
        self.assertEqual(self.volume(a), len(events))
        n = counters(self.postgres)
        self.assertEqual((n["applied"], n["duplicate"]), (len(events), len(events)))
        # two evaluators worked on one model: each window has one newest verdict
        rows = a.results("loan", final="true", metric="volume")
        self.assertEqual(len(rows), len({r["window_start"] for r in rows}))
        self.assertEqual(comparable(a.results("loan")), comparable(b.results("loan")))

    def test_commit_whose_answer_is_lost(self):
        proxy = Proxy(os.path.join(self.dir, "proxy"), self.postgres.dsn)
        d = self.daemon(dsn=proxy.dsn).start()
        d.baseline("loan", self.reference)
        cuts = [0]
        rng = seeded()

        def drop(data):
            if b"COMMIT\x00" in data and rng.random() < 0.4:
                cuts[0] += 1
                return None
            return data

        proxy.on_server = drop
        events = self.hours(12, 500)
        for i in range(0, len(events), 200):
            self.assertEqual(d.events("loan", events[i:i + 200], key=f"k{i}").status, 200)
            time.sleep(0.1)
        time.sleep(2)
        proxy.on_server = lambda data: data
        d.flush(final=True)
        self.assertGreater(cuts[0], 3)
        self.assertEqual(self.volume(d), len(events))
        self.assertEqual(counters(self.postgres)["applied"], len(events))
        print(f"{cuts[0]} answers to COMMIT dropped", flush=True)
        proxy.close()

    def test_baseline_activated_during_a_replay(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference, "one")
        other = os.path.join(self.dir, "other.csv")
        write_csv(other, loan.reference(6000, seed=9))
        events = self.hours(24, 300)
        for i in range(0, len(events), 300):
            if i == len(events) // 2 + 300:  # within a window
                d.flush()
                d.baseline("loan", other, "two", "--activate")
            self.assertEqual(d.events("loan", events[i:i + 300]).status, 200)
        d.flush(final=True)
        by_window = {}
        for r in d.results("loan", final="true", metric="psi"):
            by_window.setdefault(r["window_start"], set()).add(r["baseline"])
        self.assertTrue(all(len(v) == 1 for v in by_window.values()), by_window)
        order = [next(iter(by_window[w])) for w in sorted(by_window)]
        self.assertEqual(order, ["one", "one", "one", "two"])
        self.assertEqual(self.volume(d), len(events))

    def test_baseline_lost_by_the_database(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        events = self.hours(12, 300)
        d.events("loan", events[:900])
        d.flush()
        d.stop()
        # a failover to a replica that had the window but not the content
        self.postgres.query("DELETE FROM driftd.baseline")
        d.start()
        d.events("loan", events[900:])
        d.flush(final=True)
        self.assertEqual(self.volume(d), len(events))
        self.assertEqual(self.postgres.query("SELECT count(*) FROM driftd.baseline"), [["1"]])
        self.assertIn("ok", {r["status"] for r in d.results("loan", final="true", metric="psi")})

    def test_event_stamped_ten_years_ahead(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        events = self.hours(12, 100)
        self.assertEqual(d.events("loan", events[:600]).status, 200)
        future = dict(events[0], timestamp="2036-01-01T00:00:00Z")
        a = d.events("loan", [future])
        self.assertEqual(a.status, 400)
        a = d.events("loan", [future] + events[600:])
        self.assertEqual((a.status, a.json["accepted"], a.json["rejected"]), (200, 600, 1))
        self.assertIn("ahead", a.json["errors"][0]["message"])
        d.flush()
        d.flush(final=True)
        self.assertEqual(self.volume(d), 1200)
        n = counters(self.postgres)
        self.assertEqual(n["late"], 0)
        self.assertEqual(n["rejected"], 1)

    def test_cloned_journal_is_refused(self):
        a = self.daemon("a").start()
        a.baseline("loan", self.reference)
        events = self.hours(6, 400)
        a.events("loan", events[:1000])
        a.flush()
        a.stop()
        b = self.daemon("b")
        shutil.copytree(a.journal_dir, b.journal_dir)
        a.start()
        b.start()
        for i, d in enumerate((a, b)):
            d.events("loan", events[1000 + 100 * i:1100 + 100 * i])
        until = time.monotonic() + 15
        while time.monotonic() < until and all(d.process.poll() is None for d in (a, b)):
            time.sleep(0.1)
        codes = [d.process.poll() for d in (a, b)]
        self.assertIn(78, codes, a.log()[-1500:] + b.log()[-1500:])
        self.assertIn(None, codes)

    def test_corrupt_frame_in_the_middle(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        d.flush()
        self.postgres.stop()
        events = self.hours(3, 300)
        for i in range(3):
            self.assertEqual(d.events("loan", events[300 * i:300 * i + 300]).status, 200)
        d.kill()
        segment = max(glob.glob(d.journal_dir + "/*.seg"))
        with open(segment, "r+b") as f:
            data = f.read()
            at = [i for i in range(len(data) - 4) if data[i:i + 6] == b"e1-150"]
            self.assertTrue(at, "the second frame's ids are in the journal")
            f.seek(at[0])
            f.write(b"X")
        self.postgres.start()
        d.start()
        d.flush(final=True)
        n = counters(self.postgres)
        self.assertEqual((n["applied"], n["corrupt"]), (600, 300))
        self.assertEqual(self.volume(d), 600)
        self.assertTrue(os.listdir(d.journal_dir + "/quarantine"))

    def test_journal_older_than_the_position(self):
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        events = self.hours(12, 300)
        d.events("loan", events[:900], key="a")
        d.flush()
        d.stop()
        old = d.journal_dir + ".old"
        shutil.copytree(d.journal_dir, old)
        d.start()
        d.events("loan", events[900:1800], key="b")
        d.flush()
        d.stop()
        shutil.rmtree(d.journal_dir)
        os.rename(old, d.journal_dir)
        d.start()
        d.events("loan", events[1800:3600], key="c")
        d.flush(final=True)
        self.assertEqual(self.volume(d), 3600)
        self.assertEqual(len(self.postgres.query("SELECT DISTINCT source_id FROM driftd.source_position")), 2)

    def test_retries_count_once(self):
        rng = seeded()
        d = self.daemon().start()
        d.baseline("loan", self.reference)
        events = self.hours(12, 300)
        batches = [(f"k{i}", events[i:i + 100]) for i in range(0, len(events), 100)]
        sends = [b for b in batches for _ in range(rng.randint(1, 5))]
        rng.shuffle(sends)
        lock, errors = threading.Lock(), []

        def work():
            while True:
                with lock:
                    if not sends:
                        return
                    key, batch = sends.pop()
                a = d.events("loan", batch, key=key)
                if a.status != 200:
                    errors.append(a.body)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        a = d.events("loan", events[:100], key="k0")
        self.assertTrue(a.json["duplicate"])
        self.assertEqual(d.events("loan", events[:99], key="k0").status, 409)
        # known after a restart too: by the database
        d.flush()
        d.kill()
        d.start()
        self.assertEqual(d.events("loan", events[:100], key="k0").status, 200)
        d.flush(final=True)
        self.assertEqual(self.volume(d), len(events))


if __name__ == "__main__":
    unittest.main(verbosity=2)
