#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""driftd compare against the golden numbers: every drift row of every set.

    compare.py [SET...]

Chunks of each kind that a set has are compared in one run each, and the rows
of format long held against the golden ones within the tolerances that are
stated at their end.  Sets of rows are compared both ways: a row that is
missing is a miss, and so is one of a golden metric that the golden file does
not have there.  Numbers that driftd has and the golden files have not are
left alone.  $DRIFTD is the program (build/driftd), $SHARED the data (../shared).
"""

import collections
import csv
import json
import math
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
DRIFTD = os.environ.get("DRIFTD") or os.path.join(
    os.environ.get("BUILD", os.path.join(ROOT, "build")), "driftd")
SHARED = os.environ.get("SHARED", os.path.join(ROOT, "..", "shared"))
SETS = ("car_loan", "car_price", "census_ma", "elec2", "elec2_const",
        "titanic")
# One SciPy function's own truncation error, not a measure.
LEFT_OUT = {"cvm_pvalue_scipy"}
COUNTS = re.compile(r"(n|n_\w+|bin_count_\d+|chi2_dof)$")


def ours(metric):
    return metric[:-4] if metric.endswith("_q10") else metric


def is_close(metric, want, have):
    if math.isnan(want) or math.isnan(have):
        return math.isnan(want) and math.isnan(have)
    if math.isinf(want) or COUNTS.match(metric):
        return want == have
    error = abs(want - have)
    if metric == "cvm_pvalue":
        return error <= 1e-10 or error <= 1e-6 * abs(want)
    if "pvalue" in metric:
        if want <= 1e-12:
            return error <= 1e-10
        return error <= (1e-5 if metric == "ks_pvalue_asymp"
                         else 1e-6) * abs(want)
    if metric in ("cvm_statistic", "ad_statistic"):
        return error <= 1e-8 * abs(want) + 1e-12
    if metric in ("js", "hellinger") and error <= 1e-8:
        return True
    return error <= 1e-9 * abs(want) or error <= 1e-12


def read_golden(name):
    """{(start, end): {(column, metric): value}} of the drift rows."""
    rows = collections.defaultdict(dict)
    with open(os.path.join(SHARED, "golden", name + ".csv"), newline="",
              encoding="utf-8") as f:
        for r in csv.DictReader(f):
            if r["column"] == "__model__" or r["metric"] in LEFT_OUT:
                continue
            place = int(r["chunk_start"]), int(r["chunk_end"])
            rows[place][r["column"], ours(r["metric"])] = float(r["value"])
    return rows


def read_chunkings(name):
    """{"--chunk" argument: its row ranges}."""
    kinds = collections.defaultdict(list)
    with open(os.path.join(SHARED, "golden", name + ".chunks.csv"),
              newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f):
            kinds[r["chunking"]].append((int(r["chunk_start"]),
                                         int(r["chunk_end"])))
    if "rows" in kinds:
        ranges = kinds.pop("rows")
        kinds["rows:%d" % ranges[0][1]] = ranges
    return kinds


def compare(name, chunk):
    data = os.path.join(SHARED, "data", name)
    done = subprocess.run(
        [DRIFTD, "compare", "--model", os.path.join(data, "model.yaml"),
         "--reference", os.path.join(data, "reference.csv.gz"),
         "--current", os.path.join(data, "analysis.csv.gz"),
         "--labels", os.path.join(data, "labels.csv.gz"),
         "--chunk", chunk, "--format", "long"],
        stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8")
    rows = collections.defaultdict(dict)
    lines = csv.reader(done.stdout.splitlines())
    assert next(lines) == ["chunk_start", "chunk_end", "column", "metric",
                           "value"]
    for start, end, column, metric, value in lines:
        key = column, metric
        place = int(start), int(end)
        if key in rows[place]:
            raise ValueError("%s twice in %s" % (key, place))
        rows[place][key] = float(value)
    return rows


class Tally:
    def __init__(self, name):
        self.name, self.n, self.missed = name, 0, 0
        self.told = collections.Counter()

    def miss(self, why, place, key, *values):
        self.missed += 1
        self.told[why, key[1]] += 1
        if self.told[why, key[1]] <= 3:
            print("%s: %s: %s %s%s" % (self.name, why, place, " ".join(key),
                                       "".join(" %.17g" % v for v in values)))


def check(tally, place, golden, have, known):
    for key, want in golden.items():
        tally.n += 1
        if key not in have:
            tally.miss("missing", place, key, want)
        elif not is_close(key[1], want, have[key]):
            tally.miss("differs", place, key, want, have[key])
    for key in have:
        if key[1] in known and key not in golden:
            tally.miss("not golden", place, key, have[key])


def check_set(name):
    """Whether every golden row of every chunk is reproduced."""
    golden = read_golden(name)
    known = {metric for rows in golden.values() for _, metric in rows}
    tally = Tally(name)
    seen = set()
    for chunk, ranges in sorted(read_chunkings(name).items()):
        rows = compare(name, chunk)
        places = [(-1, -1)] + ranges
        if sorted(rows) != sorted(set(places)):
            raise ValueError("%s %s: other chunks than the golden ones: %s" %
                             (name, chunk, sorted(rows)[:20]))
        for place in places:
            seen.add(place)
            check(tally, place, golden[place], rows[place], known)
    unseen = sum(len(rows) for place, rows in golden.items()
                 if place not in seen)
    if unseen:
        print("%s: %d golden rows belong to no chunk" % (name, unseen))
    print("%-12s %6d rows, %d missed" % (name, tally.n, tally.missed))
    return tally.n > 0 and tally.missed == 0 and unseen == 0


def strict(token):
    raise ValueError("not JSON: " + token)


def check_json(name):
    """No NaN, a status in every row."""
    data = os.path.join(SHARED, "data", name)
    done = subprocess.run(
        [DRIFTD, "compare", "--model", os.path.join(data, "model.yaml"),
         "--reference", os.path.join(data, "reference.csv.gz"),
         "--current", os.path.join(data, "analysis.csv.gz"),
         "--labels", os.path.join(data, "labels.csv.gz"),
         "--format", "json"],
        stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8")
    rows = json.loads(done.stdout, parse_constant=strict)
    statuses = collections.Counter(r["status"] for r in rows)
    print("%-12s %6d verdicts: %s" % (name, len(rows), ", ".join(
        "%d %s" % (n, s) for s, n in sorted(statuses.items()))))
    if name == "elec2_const" and not statuses["constant_reference"]:
        print("%s: nothing says constant_reference" % name)
        return False
    if name == "titanic" and not statuses["insufficient_data"]:
        print("%s: nothing says insufficient_data" % name)
        return False
    return bool(rows)


def main():
    names = sys.argv[1:] or SETS
    if not os.path.isdir(os.path.join(SHARED, "golden")):
        print("skipped: compare: no golden numbers in %s" % SHARED)
        print("compare: 0 passed, 0 failed, %d skipped" % (2 * len(names)))
        return 0
    passed = failed = 0
    for name in names:
        for f in (check_set, check_json):
            try:
                ok = f(name)
            except (ValueError, OSError, subprocess.CalledProcessError) as e:
                print("%s: %s" % (name, e))
                ok = False
            passed += ok
            failed += not ok
    print("compare: %d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
