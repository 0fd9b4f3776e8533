#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""driftd compare against the golden numbers: quality, and its estimates.

    quality.py [SET...]

Every row of the model that a set's golden file has, of every chunk, within a
relative error of 1e-9 (1e-12 near 0), counts exactly; no row of such a metric
may be missing, and none may be there that is not golden.  NannyML's estimates
(it rounds its sums) within 2e-5 where it makes the same choice of calibration.
$DRIFTD is the program (build/driftd), $SHARED the data (../shared).
"""

import collections
import csv
import math
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import compare  # noqa: E402

SETS = ("car_loan", "car_price", "census_ma", "elec2", "elec2_const")
COUNTS = {"n_labeled", "tp", "fp", "fn", "tn"}
NANNYML = {"true_positive": "tp", "false_positive": "fp",
           "false_negative": "fn", "true_negative": "tn",
           "accuracy": "accuracy", "precision": "precision",
           "recall": "recall", "specificity": "specificity", "f1": "f1",
           "roc_auc": "roc_auc",
           "average_precision": "average_precision_ungrouped"}
# Their scale: NannyML's tolerance is one of shares.
EXPECTED_COUNTS = {"tp", "fp", "fn", "tn"}


def is_close(metric, want, have):
    if math.isnan(want) or math.isnan(have):
        return math.isnan(want) and math.isnan(have)
    if metric in COUNTS:
        return want == have
    return abs(want - have) <= max(1e-9 * abs(want), 1e-12)


def read_rows(name, kind):
    """{(start, end): {metric: value}} of the model."""
    rows = collections.defaultdict(dict)
    path = os.path.join(compare.SHARED, "golden", name + kind + ".csv")
    if not os.path.exists(path):
        return rows
    with open(path, newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f):
            if r["column"] == "__model__":
                rows[int(r["chunk_start"]), int(r["chunk_end"])][
                    r["metric"]] = float(r["value"])
    return rows


def measured(name, chunk):
    """What driftd says of the model."""
    rows = collections.defaultdict(dict)
    for place, values in compare.compare(name, chunk).items():
        for (column, metric), value in values.items():
            if column == "__model__":
                rows[place][metric] = value
    return rows


def check(tally, place, golden, have, known):
    for metric, want in golden.items():
        tally.n += 1
        if metric not in have:
            tally.miss("missing", place, ("__model__", metric), want)
        elif not is_close(metric, want, have[metric]):
            tally.miss("differs", place, ("__model__", metric), want,
                       have[metric])
    for metric in have:
        if metric in known and metric not in golden:
            tally.miss("not golden", place, ("__model__", metric),
                       have[metric])


def check_nannyml(tally, place, theirs, have, kind):
    for metric, own in NANNYML.items():
        want = theirs.get("nml_cbpe_" + metric)
        if want is None:
            continue
        got = have.get("cbpe_%s_%s" % (kind, own), math.nan)
        tally.n += 1
        tolerance = 2e-5
        if own in EXPECTED_COUNTS:
            tolerance *= place[1] - place[0]
        # it says 0 of no predicted positives
        if math.isnan(got) and want == 0:
            continue
        if not abs(want - got) <= tolerance:
            tally.miss("nannyml differs", place, ("__model__", metric), want,
                       got)


def check_set(name):
    golden, theirs = read_rows(name, ""), read_rows(name, ".nannyml")
    known = {metric for rows in golden.values() for metric in rows}
    tally, peer = compare.Tally(name), compare.Tally(name)
    choice = theirs[-1, -1].get("nml_cbpe_needs_calibration")
    seen = set()
    for chunk, ranges in sorted(compare.read_chunkings(name).items()):
        rows = measured(name, chunk)
        ours = rows[-1, -1].get("cbpe_calibrates")
        for place in [(-1, -1)] + ranges:
            seen.add(place)
            check(tally, place, golden[place], rows[place], known)
            if choice is not None and choice == ours:
                check_nannyml(peer, place, theirs.get(place, {}), rows[place],
                              "iso" if ours else "raw")
    unseen = sum(len(rows) for place, rows in golden.items()
                 if place not in seen)
    if unseen:
        print("%s: %d golden rows belong to no chunk" % (name, unseen))
    print("%-12s %6d rows, %d missed; of NannyML %d, %d missed" %
          (name, tally.n, tally.missed, peer.n, peer.missed))
    if choice is not None and peer.n == 0:
        print("%s: another choice of calibration than NannyML's" % name)
        return False
    return tally.n > 0 and tally.missed + peer.missed + unseen == 0


def check_suspicion():
    """Scores that mislead are found, and an estimate that holds is not."""
    whole = read_rows("elec2_const", "")
    rows = measured("elec2_const", "whole")
    suspected = [v["concept_drift_suspected"] for place, v in rows.items()
                 if place != (-1, -1)]
    print("elec2_const  accuracy %.3f -> %.3f, suspected: %s" %
          (whole[-1, -1]["accuracy"], rows[0, 8640]["accuracy"], suspected))
    return suspected == [1.0]


def main():
    names = sys.argv[1:] or SETS
    if not os.path.isdir(os.path.join(compare.SHARED, "golden")):
        print("skipped: quality: no golden numbers in %s" % compare.SHARED)
        print("quality: 0 passed, 0 failed, %d skipped" % (len(names) + 1))
        return 0
    passed = failed = 0
    checks = [lambda name=name: check_set(name) for name in names]
    for f in checks + [check_suspicion]:
        try:
            ok = f()
        except (ValueError, OSError, KeyError,
                subprocess.CalledProcessError) as e:
            print("quality: %r" % e)
            ok = False
        passed += ok
        failed += not ok
    print("quality: %d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
