# SPDX-License-Identifier: GPL-3.0-or-later
"""Real monitored data through the running daemon against oracle numbers:
every final month (census_ma: year) of three data sets, every column but the
label.  And sense: what must alert, and what must not."""

import csv
import gzip
import json
import math
import os
import unittest

from driftd import SHARED, Daemon, Place, Postgres, Receiver, has_shared

SETS = ("census_ma", "car_loan", "elec2")
RESOLUTION = 256
ORACLE = {"psi": "psi", "chi2_statistic": "chi2_statistic", "missing_share": "missing_share",
          "new_category_share": "new_category_share", "out_of_range_share": "out_of_range_share"}


def golden_windows(name):
    """window start -> (chunk_start, chunk_end)"""
    windows = {}
    with open(f"{SHARED}/golden/{name}.chunks.csv", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            if row["chunking"] == "month":
                windows[row["key"] + "-01T00:00:00Z"] = (row["chunk_start"], row["chunk_end"])
            elif row["chunking"] == "year" and name == "census_ma":
                windows[row["key"] + "-01-01T00:00:00Z"] = (row["chunk_start"], row["chunk_end"])
    return windows


def golden_values(name):
    values = {}
    with open(f"{SHARED}/golden/{name}.csv", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            values[row["chunk_start"], row["chunk_end"], row["column"], row["metric"]] = float(row["value"])
    return values



def is_near(got, want, absolute):
    return got is not None and (abs(got - want) <= 1e-9 * abs(want) or abs(got - want) <= absolute)


@unittest.skipUnless(has_shared(), "the reference data (../shared) is not here")
class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        path = cls.place.__enter__()
        cls.postgres = Postgres(path + "/pg").start()
        cls.receiver = Receiver()
        models = "".join(f'- {{file: "{SHARED}/data/{n}/model.yaml", window: 1mo, min_rows: 1}}\n' for n in SETS)
        alerts = (f'receivers:\n  - {{name: hook, type: webhook, url: "{cls.receiver.url}", allow_private: true}}\n'
                  'rules:\n  - {name: input_drift, signal: input, for: 1 of 1, severity: critical, receivers: [hook]}\n')
        cls.daemon = Daemon(path + "/d", cls.postgres.dsn, models, alerts=alerts,
                            journal="flush_interval: 500ms").start()
        for name in SETS:
            cls.daemon.baseline(name, f"{SHARED}/data/{name}/reference.csv.gz")
            cls.daemon.replay(name, f"{SHARED}/data/{name}/analysis.csv.gz")
        cls.daemon.flush(final=True)
        cls.rows = {n: cls.daemon.results(n, final="true") for n in SETS}

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.receiver.close()
        cls.postgres.remove()
        cls.place.__exit__()

    def check_set(self, name):
        golden, windows = golden_values(name), golden_windows(name)
        found = {(r["window_start"], r["column"], r["metric"]): r for r in self.rows[name]}
        label = {"census_ma": "employed", "car_loan": "repaid", "elec2": "label"}[name]
        n, widest = 0, 0.0
        for start, chunk in windows.items():
            for key, want in golden.items():
                if key[:2] != chunk or key[2] in (label, "__model__"):
                    continue
                column, metric = key[2], key[3]
                if metric == "ks_statistic":
                    row = found.get((start, column, "ks_statistic"))
                    self.assertIsNotNone(row, f"{name} {start} {column} ks_statistic is not there")
                    self.assertLessEqual(row["lower"], want, f"{name} {start} {column}")
                    self.assertGreaterEqual(row["upper"], want, f"{name} {start} {column}")
                    widest = max(widest, row["upper"] - row["lower"])
                elif metric in ("js", "js_q10"):
                    row = found.get((start, column, "js"))
                    self.assertTrue(row and is_near(row["value"], want, 1e-8),
                                    f"{name} {start} {column} js: {row and row['value']!r} is not {want!r}")
                elif metric in ORACLE:
                    row = found.get((start, column, metric))
                    self.assertTrue(row and is_near(row["value"], want, 1e-12),
                                    f"{name} {start} {column} {metric}: {row and row['value']!r} is not {want!r}")
                else:
                    continue
                self.assertTrue(row["final"])
                n += 1
        self.assertGreater(n, 100)
        self.assertLessEqual(widest, 2 / RESOLUTION)
        print(f"{name}: {n} numbers in {len(windows)} windows, widest KS interval {widest:.5f}", flush=True)

    def test_census_ma(self):
        self.check_set("census_ma")

    def test_car_loan(self):
        self.check_set("car_loan")

    def test_elec2(self):
        self.check_set("elec2")

    def test_every_event_is_counted(self):
        for name in SETS:
            with gzip.open(f"{SHARED}/data/{name}/analysis.csv.gz", "rt", encoding="utf-8") as f:
                n = sum(1 for _ in csv.reader(f)) - 1
            volume = sum(r["value"] for r in self.rows[name] if r["metric"] == "volume")
            self.assertEqual(volume, n, name)

    def test_car_loan_alerts_on_what_drifts_and_on_nothing_before(self):
        drifting = {"car_value", "salary_range", "loan_length", "repaid_loan_on_prev_car"}
        # row 25,000 lies in the window of 2019-03
        drifted = {(r["window_start"], r["column"]) for r in self.rows["car_loan"]
                   if r["drifted"] and r["signal"] == "input"}
        before = {d for d in drifted if d[0] < "2019-03"}
        self.assertEqual(before, set())
        self.assertEqual({c for _, c in drifted}, drifting)
        self.assertTrue(self.receiver.wait(1))
        firing = [m for m in self.receiver.messages() if m["data"]["model"] == "car_loan"
                  and m["type"] == "driftd.alert.firing"]
        self.assertTrue(firing)
        self.assertGreaterEqual(firing[0]["data"]["window_start"], "2019-03")
        self.assertLessEqual({c["column"] for c in firing[0]["data"]["columns"]}, drifting)

    def test_census_ma_raises_nothing(self):
        self.assertEqual([r for r in self.rows["census_ma"] if r["drifted"]], [])
        self.assertTrue(all(r["p_value"] is None or not math.isnan(r["p_value"]) for r in self.rows["census_ma"]))
        self.assertEqual([m for m in self.receiver.messages() if m["data"]["model"] == "census_ma"], [])


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    unittest.main(verbosity=2)
