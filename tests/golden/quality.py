#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""driftd compare against other oracles: quality, and its estimates.

    quality.py [SET...]

Every row of the model that a set's golden file has, of every chunk, within a
relative error of 1e-9 (1e-12 near 0), counts exactly; no row of such a metric
may be missing, and none may be there that is not golden.  NannyML's estimates
(it rounds its sums) within 2e-5 where it makes the same choice of calibration.

More classes are held against scikit-learn on a file of random events (its seed
is printed, $SEED repeats it), by text as CSV and by number as NDJSON, where
this Python or the system's has scikit-learn (python3-sklearn).

$DRIFTD is the program (build/driftd), $SHARED the data (../shared).
"""

import collections
import csv
import math
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import compare  # noqa: E402

try:
    from sklearn import metrics as sklearn
except ImportError:
    sklearn = None

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
    """Scores that mislead are found; an estimate that holds is left alone."""
    whole = read_rows("elec2_const", "")
    rows = measured("elec2_const", "whole")
    suspected = [v["concept_drift_suspected"] for place, v in rows.items()
                 if place != (-1, -1)]
    print("elec2_const  accuracy %.3f -> %.3f, suspected: %s" %
          (whole[-1, -1]["accuracy"], rows[0, 8640]["accuracy"], suspected))
    calm = [v["concept_drift_suspected"]
            for place, v in measured("car_loan", "month").items()
            if place != (-1, -1)]
    print("car_loan     %d months, %d suspected" % (len(calm), sum(calm)))
    return suspected == [1.0] and not any(calm)


CLASSES = ("0", "1", "2", "10")
MULTICLASS = """name: classes
task: multiclass
id: id
prediction: guess
label: truth
score: {"0": p0, "1": p1, "2": p2, "10": p10}
features: {numeric: [x]}
"""


def draw(rng, n):
    """[(label, prediction, scores)], labels missing now and then."""
    rows = []
    for _ in range(n):
        truth = rng.choice(CLASSES)
        scores = [round(rng.random() + (0.6 if c == truth else 0), 2)
                  for c in CLASSES]
        scores = [s / sum(scores) for s in scores]
        guess = CLASSES[max(range(len(CLASSES)), key=scores.__getitem__)]
        rows.append((None if rng.random() < 0.05 else truth, guess, scores))
    return rows


def write_csv(path, rows):
    with open(path, "w", encoding="ascii") as f:
        f.write("id,x,guess,truth,p0,p1,p2,p10\n")
        for i, (truth, guess, scores) in enumerate(rows):
            f.write("%d,1,%s,%s,%s\n" % (i, guess, truth or "",
                                         ",".join(map(repr, scores))))


def write_json(path, rows):
    with open(path, "w", encoding="ascii") as f:
        for i, (truth, guess, scores) in enumerate(rows):
            f.write('{"id":"%d","x":1,"guess":%s.0,"truth":%s,%s}\n' % (
                i, guess, truth or "null", ",".join(
                    '"p%s":%r' % p for p in zip(CLASSES, scores))))


def expected(rows):
    """What scikit-learn says; scores are not made to sum to one."""
    rows = [r for r in rows if r[0] is not None]
    truth, guess = [r[0] for r in rows], [r[1] for r in rows]
    want = {"n_labeled": len(rows),
            "accuracy": sklearn.accuracy_score(truth, guess),
            "f1_weighted": sklearn.f1_score(truth, guess, average="weighted")}
    matrix = sklearn.confusion_matrix(truth, guess, labels=CLASSES)
    loss = aucs = 0
    for i, name in enumerate(CLASSES):
        for k, other in enumerate(CLASSES):
            want["cm_%s_as_%s" % (name, other)] = matrix[i][k]
        auc = sklearn.roc_auc_score([t == name for t in truth],
                                    [r[2][i] for r in rows])
        want["roc_auc_ovr_" + name] = auc
        aucs += auc
        loss -= sum(math.log(min(max(r[2][i], 1e-15), 1 - 1e-15))
                    for r in rows if r[0] == name)
    want["roc_auc_ovr_macro"] = aucs / len(CLASSES)
    want["log_loss_eps1e15"] = loss / len(rows)
    for name, score in (("precision", sklearn.precision_score),
                        ("recall", sklearn.recall_score),
                        ("f1", sklearn.f1_score)):
        each = score(truth, guess, labels=CLASSES, average=None)
        want.update(zip((name + "_" + c for c in CLASSES), each))
        want[name + "_macro"] = score(truth, guess, average="macro")
    return want


def check_multiclass():
    if sklearn is None:
        print("skipped: quality: python3 has no scikit-learn")
        return None
    seed = int(os.environ.get("SEED", time.time()))
    print("SEED=%d" % seed)
    rng = random.Random(seed)
    reference, current = draw(rng, 900), draw(rng, 1100)
    tally = compare.Tally("classes")
    with tempfile.TemporaryDirectory() as folder:
        model, one, two = (os.path.join(folder, f) for f in (
            "model.yaml", "reference.csv", "current.json"))
        with open(model, "w", encoding="ascii") as f:
            f.write(MULTICLASS)
        write_csv(one, reference)
        write_json(two, current)
        done = subprocess.run(
            [compare.DRIFTD, "compare", "--model", model, "--reference", one,
             "--current", two, "--format", "long"],
            stdout=subprocess.PIPE, check=True, text=True, encoding="ascii")
    have = collections.defaultdict(dict)
    for start, end, column, metric, value in csv.reader(
            done.stdout.splitlines()[1:]):
        if column == "__model__":
            have[int(start), int(end)][metric] = float(value)
    for place, rows in (((-1, -1), reference), ((0, 1100), current)):
        check(tally, place, expected(rows), have[place], ())
    guess = have[0, 1100].get("cbpe_iso_accuracy", math.nan)
    print("classes      %6d numbers, %d missed; accuracy %.3f, estimated "
          "%.3f" % (tally.n, tally.missed, have[0, 1100]["accuracy"], guess))
    return tally.n > 0 and tally.missed == 0 and \
        abs(guess - have[0, 1100]["accuracy"]) < 0.1


def use_system_python():
    """Go on in the system's Python when this one has no scikit-learn."""
    system = "/usr/bin/python3"
    if sklearn is None and "QUALITY_PYTHON" not in os.environ and \
            os.access(system, os.X_OK):
        os.environ["QUALITY_PYTHON"] = system
        os.execv(system, [system, os.path.abspath(__file__)] + sys.argv[1:])


def main():
    use_system_python()
    names = sys.argv[1:] or SETS
    checks = [check_multiclass]
    passed = failed = skipped = 0
    if os.path.isdir(os.path.join(compare.SHARED, "golden")):
        checks += [lambda name=name: check_set(name) for name in names]
        checks.append(check_suspicion)
    else:
        print("skipped: quality: no golden numbers in %s" % compare.SHARED)
        skipped = len(names) + 1
    for f in checks:
        try:
            ok = f()
        except (ValueError, OSError, KeyError,
                subprocess.CalledProcessError) as e:
            print("quality: %r" % e)
            ok = False
        passed += ok is True
        failed += ok is False
        skipped += ok is None
    print("quality: %d passed, %d failed, %d skipped" %
          (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
