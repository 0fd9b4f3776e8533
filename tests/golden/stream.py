#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`driftd stream` against the reference implementations' detections.

Each detector is one test: all of its series must give exactly the same
indices.  Then the forms of input, the output and the errors.  See run.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
DRIFTD = os.environ.get("DRIFTD", os.path.join(BUILD, "driftd"))
GOLDEN = os.path.join(os.environ.get("SHARED", os.path.join(
    ROOT, "..", "shared")), "golden", "sequential")
TIMEOUT_S = 60
SR_START = 500  # values before it give mu0, and are not shown

passed = failed = skipped = 0


def check(ok, message):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("stream: FAIL " + message)


def stream(*words, text=None):
    done = subprocess.run([DRIFTD, "stream"] + list(words),
                          input=text, capture_output=True,
                          timeout=TIMEOUT_S,
                          encoding=None if isinstance(text, bytes)
                          else "utf-8")
    return done.returncode, done.stdout, done.stderr


def settings(detector, params):
    words = []
    for key, value in json.loads(params).items():
        words += ["--set", "%s=%s" % (key, value)]
    if detector == "sr_edetector":
        words += ["--set", "start=%d" % SR_START]
    return words


def golden_rows():
    with open(os.path.join(GOLDEN, "detections.csv"), newline="") as f:
        return list(csv.DictReader(f))


def path_of(row):
    return os.path.join(GOLDEN, "streams", row["stream"] + ".txt.gz")


def detections(rows):
    """One test a detector, all of its rows."""
    wrong, count = {}, {}
    for row in rows:
        name = row["detector"]
        count[name] = count.get(name, 0) + 1
        code, out, err = stream("--detector", name,
                                *settings(name, row["params"]),
                                path_of(row))
        if code != 0 or out.split() != row["detections"].split():
            wrong.setdefault(name, []).append(
                "%s: exit %d %s" % (row["stream"], code, err.strip()))
    for name in sorted(count):
        bad = wrong.get(name, [])
        check(not bad, "%s: %d of %d series differ: %s"
              % (name, len(bad), count[name], "; ".join(bad[:3])))


def forms(rows, directory):
    """Lines, CSV, NDJSON, standard input, zstd: the same detections."""
    row = next(r for r in rows if r["detector"] == "page_hinkley" and
               len(r["detections"].split()) > 2)
    with gzip.open(path_of(row), "rt") as f:
        numbers = f.read().split()
    wanted = row["detections"].split()
    base = ["--detector", "page_hinkley"]
    forms_of = {
        "lines": "".join(n + "\n" for n in numbers),
        "lines of Windows": "\ufeff" + "\r\n".join(numbers) + "\n\n",
        "csv": 'id,"the ""x"", y"\n' + "".join(
            '"%d,\n",%s\n' % (i, n) for i, n in enumerate(numbers)),
        "ndjson": "".join('{"id": {"x": 1}, "the \\"x\\", y": %s}\n' % n
                          for n in numbers),
    }
    for name, text in forms_of.items():
        column = [] if name.startswith("lines") else \
            ["--column", 'the "x", y']
        code, out, err = stream(*base, *column, "-", text=text)
        check(code == 0 and out.split() == wanted,
              "%s: exit %d %s" % (name, code, err))
    path = os.path.join(directory, "x.zst")
    zstd = subprocess.run(["zstd", "-q", "-o", path], stderr=subprocess.PIPE,
                          input=forms_of["csv"].encode()) \
        if any(os.access(os.path.join(p, "zstd"), os.X_OK)
               for p in os.environ["PATH"].split(os.pathsep)) else None
    if zstd is None:
        skip("zstd input: there is no zstd program")
    else:
        code, out, err = stream(*base, "--column", 'the "x", y', path)
        check(code == 0 and out.split() == wanted, "zstd: %s" % err)


def skip(reason):
    global skipped
    skipped += 1
    print("skipped: " + reason)


def json_output(rows):
    for name in sorted({r["detector"] for r in rows}):
        row = next(r for r in rows
                   if r["detector"] == name and r["detections"])
        code, out, err = stream("--detector", name, "--json", "--warnings",
                                *settings(name, row["params"]), path_of(row))
        lines = [json.loads(line) for line in out.splitlines()]
        drifts = [str(x["index"]) for x in lines if x["kind"] == "drift"]
        states = [x["state"] for x in lines]
        check(code == 0 and drifts == row["detections"].split() and
              all(x["detector"] == name for x in lines) and
              all(isinstance(s, dict) and len(s) > 2 and
                  None not in s.values() for s in states),
              "%s --json: exit %d %s" % (name, code, err))


def errors():
    some = "1\n2\nx3\n4\n"
    for name, words, text, code, said in (
            ("no number", ["--detector", "ddm", "-"], some, 65,
             'standard input:3: "x3" is not a number'),
            ("nan", ["--detector", "ddm", "-"], "1\nnan\n", 65, ":2: "),
            ("infinite", ["--detector", "ddm", "-"], "1e999\n", 65, ":1: "),
            ("hole", ["--detector", "ddm", "-"], "1\n\n2\n", 65, ":2: "),
            ("huge", ["--detector", "adwin", "-"], "0\n1e200\n", 65, ":2: "),
            ("long line", ["--detector", "adwin", "-"],
             "0\n" + 100000 * "1", 65, ":2: "),
            ("not a rate", ["--detector", "sr_edetector", "--set", "mu0=.5",
                            "-"], "0\n1.5\n", 65, ":2: "),
            ("empty cell", ["--detector", "ddm", "--column", "a", "-"],
             "a,b\n1,2\n,2\n", 65, 'row 2: column "a"'),
            ("short row", ["--detector", "ddm", "--column", "b", "-"],
             "a,b\n1,2\n1\n", 65, 'row 2: column "b"'),
            ("json text", ["--detector", "ddm", "--column", "a", "-"],
             '{"a": 1}\n{"a": "1x"}\n', 65, 'row 2: column "a"'),
            ("json null", ["--detector", "ddm", "--column", "a", "-"],
             '{"a": null}\n', 65, 'row 1: column "a"'),
            ("broken json", ["--detector", "ddm", "--column", "a", "-"],
             '{"a": 1\n', 65, "row 1"),
            ("no column", ["--detector", "ddm", "--column", "c", "-"],
             "a,b\n1,2\n", 65, 'no column "c"'),
            ("no file", ["--detector", "ddm", "/nowhere/x"], "", 74,
             "/nowhere/x"),
            ("detector", ["--detector", "adwim", "-"], some, 64,
             'did you mean "adwin"'),
            ("key", ["--detector", "adwin", "--set", "dleta=1", "-"], some,
             64, 'did you mean "delta"'),
            ("range", ["--detector", "adwin", "--set", "delta=2", "-"], some,
             64, "delta"),
            ("needed", ["--detector", "sr_edetector", "-"], some, 64, "mu0"),
            ("no value", ["--detector", "ddm", "--set", "n", "-"], some, 64,
             "KEY=VALUE"),
            ("start", ["--detector", "ddm", "--set", "start=-1", "-"], some,
             64, "start"),
            ("warnings", ["--detector", "ddm", "--warnings", "-"], some, 64,
             "--json"),
            ("two files", ["--detector", "ddm", "-", "-"], some, 64, "file"),
            ("option", ["--frobnicate"], "", 64, "")):
        got, out, err = stream(*words, text=text)
        check(got == code and said in err and err.count("driftd: ") >= 1,
              "%s: exit %d, not %d: %s" % (name, got, code, err.strip()))
    code, out, err = stream("--detector", "ddm", "-", text="")
    check((code, out, err) == (0, "", ""), "empty: exit %d %s" % (code, err))


def lists(names):
    code, out, _ = stream("--list")
    check(code == 0 and all("\n%s: " % n in "\n" + out for n in names) and
          all(len(line) <= 100 for line in out.splitlines()),
          "--list: exit %d" % code)
    code, out, _ = stream("--detector", "adwin", "--list")
    check(code == 0 and "delta" in out and "0.002" in out and
          "ddm" not in out, "--list of one: exit %d" % code)


def main():
    if not os.access(DRIFTD, os.X_OK):
        check(False, "there is no program %s" % DRIFTD)
        print("stream: 0 passed, 1 failed, 0 skipped")
        return 1
    errors()
    if os.path.isdir(GOLDEN):
        rows = golden_rows()
        detections(rows)
        json_output(rows)
        with tempfile.TemporaryDirectory() as directory:
            forms(rows, directory)
        lists(sorted({r["detector"] for r in rows}))
    else:
        skip("detections of the references: no %s" % GOLDEN)
    print("stream: %d passed, %d failed, %d skipped"
          % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
