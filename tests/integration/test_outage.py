# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL stopped, and frozen, while events come in: every answer stays
200, in the same time as before, and nothing is missing afterwards."""

import http.client
import json
import os
import signal
import statistics
import threading
import time
import unittest

from test_exactly_once import START, Base, comparable, counters, loan

SECONDS = float(os.environ.get("OUTAGE_SECONDS", 3))
PER_BODY = 100


class Sender:
    """Posts batches at a steady pace on one connection and keeps the time of
    each answer."""

    def __init__(self, daemon, batches, every):
        self.daemon, self.batches, self.every = daemon, batches, every
        self.taken, self.statuses = [], []
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=30)
        due = time.monotonic()
        for i, body in enumerate(self.batches):
            due += self.every
            time.sleep(max(0, due - time.monotonic()))
            began = time.monotonic()
            c.request("POST", "/v1/models/loan/events", body,
                      {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"o{i}"})
            r = c.getresponse()
            r.read()
            self.taken.append((began, time.monotonic() - began))
            self.statuses.append(r.status)
        c.close()


def p99(values):
    return statistics.quantiles(values, n=100)[98]


class Outage(Base):
    def run_with(self, name, outage):
        """The results after a steady stream with `outage` in its middle."""
        n = int((2 * SECONDS + 6) / 0.02)
        events = [e for h in range(12) for e in loan.traffic(h, START, n * PER_BODY // 12 + 1)][:n * PER_BODY]
        batches = ["".join(json.dumps(e) + "\n" for e in events[i:i + PER_BODY]).encode()
                   for i in range(0, len(events), PER_BODY)]
        d = self.daemon(name).start()
        d.baseline("loan", self.reference)
        s = Sender(d, batches, 0.02)
        s.thread.start()
        time.sleep(SECONDS)
        began = time.monotonic()
        outage()
        ended = time.monotonic()
        s.thread.join()
        self.assertEqual(set(s.statuses), {200})
        d.flush(final=True)
        self.assertEqual(self.volume(d), len(events))
        self.assertEqual(counters(self.postgres)["applied"], len(events))
        quiet = [t for at, t in s.taken if at < began]
        during = [t for at, t in s.taken if began <= at < ended]
        print(f"{name}: p99 {1e3 * p99(quiet):.2f} ms before, "
              f"{1e3 * p99(during):.2f} ms during ({len(during)} bodies)" if during else f"{name}: undisturbed",
              flush=True)
        rows = comparable(d.results("loan", final="true"))
        d.stop()
        return rows

    def stopped(self):
        self.postgres.stop()
        time.sleep(SECONDS)
        self.postgres.start()

    def frozen(self):
        self.postgres.signal(signal.SIGSTOP)
        time.sleep(SECONDS)
        self.postgres.signal(signal.SIGCONT)

    def test_stopped_and_frozen(self):
        want = self.run_with("undisturbed", lambda: None)
        self.postgres.drop_schema()
        self.assertEqual(self.run_with("stopped", self.stopped), want)
        self.postgres.drop_schema()
        self.assertEqual(self.run_with("frozen", self.frozen), want)

    def test_start_without_a_database(self):
        self.postgres.stop()
        d = self.daemon().start()
        self.assertEqual(d.get("/readyz").status, 200)
        events = self.hours(6, 200)
        self.assertEqual(d.events("loan", events).status, 200)
        self.assertEqual(d.get("/v1/models").status, 503)
        self.assertIn("driftd_postgresql_up 0", d.get("/metrics").body.decode())
        code, seconds = d.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 10)
        self.postgres.start()
        d.start()
        d.flush(final=True)
        self.assertEqual(self.volume(d), len(events))


del Base  # its tests run where it is defined

if __name__ == "__main__":
    unittest.main(verbosity=2)
