#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""driftd compare beside pandas and SciPy, on the same files in one run.

1,000,000 rows of 20 floats, 5 integers and 5 categories against 100,000 rows
of reference: PSI, KS, Wasserstein and chi-square of every column.  The other
side is read_csv, scipy.stats.{ks_2samp, wasserstein_distance,
chi2_contingency} and PSI in NumPy, all from Debian's packages.  Medians of
ROUNDS (3) turns; CPU is user and system time, memory the peak of the process.
What both say is compared, too.

ROWS, SEED and ROUNDS in the environment change the run; BUILD is the
directory of the program (build).  Exit status 1 below the floors: 8 times less
CPU, 3 times less memory.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DRIFTD = os.path.join(ROOT, os.environ.get("BUILD", "build"), "driftd")
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's packages
ROWS = int(os.environ.get("ROWS", "1000000"))
SEED = int(os.environ.get("SEED", "20260101"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
FLOOR_CPU = 8
FLOOR_MEMORY = 3
METRICS = "psi,ks_statistic,wasserstein,chi2_statistic"
NUMERIC = ["f%02d" % i for i in range(20)] + ["i%d" % i for i in range(5)]
CATEGORICAL = ["c%d" % i for i in range(5)]

MAKE = r"""
import sys
import numpy as np
import pandas as pd

path, rows, seed, shift = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), \
    float(sys.argv[4])
rng = np.random.default_rng(seed)
data = {}
for i in range(20):
    kind = i % 4
    if kind == 0:
        v = rng.normal(100 * i, 10, rows) + shift
    elif kind == 1:
        v = rng.lognormal(1 + shift / 10, 1, rows)
    elif kind == 2:
        v = rng.uniform(0, 1, rows) ** (1 + shift)
    else:
        v = rng.standard_t(3, rows) * 1e-3
    data["f%02d" % i] = v
for i in range(5):
    data["i%d" % i] = rng.poisson(3 * 10 ** i, rows)
for i, n in enumerate((2, 5, 20, 100, 1000)):
    names = np.array(["value_%d" % k for k in range(n)])
    p = 1 / np.arange(1, n + 1) ** (1 + shift / 10)
    data["c%d" % i] = rng.choice(names, rows, p=p / p.sum())
pd.DataFrame(data).to_csv(path, index=False)
"""

PEER = r"""
import sys
import numpy as np
import pandas as pd
from scipy import stats

def psi(a, b):
    p, q = a / a.sum(), b / b.sum()
    p, q = np.where(p == 0, 1e-4, p), np.where(q == 0, 1e-4, q)
    return float(np.sum((q - p) * np.log(q / p)))

def counts(x, edges):
    return np.bincount(np.searchsorted(edges, x, side="left"),
                       minlength=len(edges) + 1)

reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
for c in reference.columns:
    r, x = reference[c], current[c]
    if r.dtype == object:
        table = pd.concat([r.value_counts(), x.value_counts()],
                          axis=1).fillna(0).to_numpy().T
        print(c, "psi", repr(psi(table[0], table[1])))
        print(c, "chi2_statistic", repr(float(
            stats.chi2_contingency(table, correction=False)[0])))
        continue
    r, x = r.to_numpy(), x.to_numpy()
    edges = np.unique(np.quantile(r, np.arange(1, 10) / 10))
    print(c, "psi", repr(psi(counts(r, edges), counts(x, edges))))
    print(c, "ks_statistic", repr(float(stats.ks_2samp(r, x).statistic)))
    print(c, "wasserstein", repr(float(stats.wasserstein_distance(r, x))))
"""


def measure(command):
    """(CPU seconds, wall seconds, peak MiB, output)."""
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        child = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit("%s: exit %d" % (command[0], child.returncode))
        out.seek(0)
        return (usage.ru_utime + usage.ru_stime, wall,
                usage.ru_maxrss / 1024, out.read().decode())


def median(rounds):
    return [statistics.median(r[i] for r in rounds) for i in range(3)]


def write_model(path):
    with open(path, "w", encoding="ascii") as f:
        f.write("name: bench\nversion: \"1\"\ntask: none\n"
                "features: {numeric: [%s], categorical: [%s]}\n" %
                (", ".join(NUMERIC), ", ".join(CATEGORICAL)))


def largest_difference(ours, theirs):
    """The largest relative difference of two sides' numbers."""
    have = {(r["column"], r["metric"]): float(r["value"])
            for r in csv.DictReader(ours.splitlines())}
    worst = 0.0
    lines = [line.split() for line in theirs.splitlines()]
    if {(c, m) for c, m, _ in lines} != set(have):
        raise SystemExit("the two sides have other numbers")
    for column, metric, text in lines:
        want = float(text)
        worst = max(worst, abs(want - have[column, metric]) /
                    max(abs(want), 1e-3))
    return worst


def main():
    if not os.path.exists(PYTHON) or subprocess.run(
            [PYTHON, "-c", "import pandas, scipy"],
            stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print("skipped: bench_compare: python3-pandas and python3-scipy are "
              "not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as place:
        files = [os.path.join(place, n) for n in ("reference.csv",
                                                  "current.csv")]
        model = os.path.join(place, "model.yaml")
        write_model(model)
        for path, rows, shift in zip(files, (ROWS // 10, ROWS), ("0", "0.1")):
            subprocess.run([PYTHON, "-c", MAKE, path, str(rows),
                            str(SEED + rows), shift], check=True)
        print("%d x %d, %.0f MB of CSV, seed %d, %d rounds, load %.2f" % (
            ROWS, len(NUMERIC) + len(CATEGORICAL),
            os.path.getsize(files[1]) / 1e6, SEED, ROUNDS,
            os.getloadavg()[0]), flush=True)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(measure([
                DRIFTD, "compare", "--model", model, "--reference", files[0],
                "--current", files[1], "--metrics", METRICS, "--format",
                "long"]))
            theirs.append(measure([PYTHON, "-c", PEER] + files))
    a, b = median(ours), median(theirs)
    print("%-28s %9s %9s %12s" % ("", "CPU s", "wall s", "peak MiB"))
    print("%-28s %9.2f %9.2f %12.0f" % ("driftd compare", *a))
    print("%-28s %9.2f %9.2f %12.0f" % ("pandas and SciPy", *b))
    ratios = [y / x for x, y in zip(a, b)]
    print("%-28s %9.1f %9.1f %12.1f" % ("times less", *ratios))
    print("%-28s %9d %9s %12d" % ("floor", FLOOR_CPU, "-", FLOOR_MEMORY))
    worst = largest_difference(ours[0][3], theirs[0][3])
    print("largest difference of a number: %.1e" % worst)
    ok = (ratios[0] >= FLOOR_CPU and ratios[2] >= FLOOR_MEMORY and
          worst < 1e-7)
    print("ok" if ok else "BELOW THE FLOOR")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
