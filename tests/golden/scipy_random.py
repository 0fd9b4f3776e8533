#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random columns of nasty shapes: `driftd compare` against SciPy.

Every run draws new columns; SEED in the environment repeats one.  Means,
deviations and ranks are taken in exact arithmetic (integers, 120 digits), tests
by SciPy itself.  Needs Debian's python3-scipy.
"""

import collections
import csv
import decimal
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings

SYSTEM_PYTHON = "/usr/bin/python3"
NAME = "scipy_random"
NUMERIC, CATEGORICAL = 70, 30

try:
    import numpy as np
    from scipy import special, stats
except ImportError:
    if os.path.exists(SYSTEM_PYTHON) and \
            os.path.realpath(sys.executable) != \
            os.path.realpath(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
    print("skipped: %s: python3-scipy is not installed" % NAME)
    print("%s: 0 passed, 0 failed, 1 skipped" % NAME)
    sys.exit(0)

warnings.simplefilter("ignore")
np.seterr(all="ignore")
decimal.getcontext().prec = 120
decimal.getcontext().Emin = -999999
decimal.getcontext().Emax = 999999
D = decimal.Decimal


# ---- shapes: functions of a generator and a size ----

def normal(r, n):
    return r.standard_normal(n) * 10.0 ** r.integers(-3, 4)


def integers(r, n):
    return np.floor(r.standard_normal(n) * r.integers(1, 8))


def constant(r, n):
    return np.full(n, 2.385)


def atom(r, n):
    return np.where(r.random(n) < 0.8, 0.0, r.standard_normal(n))


def cauchy(r, n):
    return r.standard_cauchy(n)


def pareto(r, n):
    return r.pareto(0.3, n)


def subnormal(r, n):
    return r.integers(-40, 40, n) * 5e-324


def tiny(r, n):
    return r.standard_normal(n) * 1e-310


def signed_zero(r, n):
    return r.choice([-0.0, 0.0, 1.0, -1.0], n)


def one_ulp(r, n):
    return 1.0 + r.integers(0, 4, n) * 2.0 ** -52


def huge(r, n):
    return r.standard_normal(n) * 1e300


def wide(r, n):
    return np.exp(r.standard_normal(n) * 60.0) * r.choice([-1.0, 1.0], n)


def far(r, n):
    return 1e15 + r.integers(0, 50, n) * 0.125


def two_values(r, n):
    return r.choice([0.1, 0.30000000000000004], n)


SHAPES = [normal, integers, constant, atom, cauchy, pareto, subnormal, tiny,
          signed_zero, one_ulp, huge, wide, far, two_values]


def size(r, small):
    kind = r.integers(0, 8)
    if kind == 0:
        return 2
    if kind == 1 and small:
        return 1
    if kind < 5:
        return int(r.integers(3, 200))
    return int(r.integers(200, 3000))


def numeric_pair(r):
    shape = SHAPES[r.integers(0, len(SHAPES))]
    ref = shape(r, size(r, False))
    cur = shape(r, size(r, True))
    how = r.integers(0, 6)
    if how == 0:
        cur = cur * 1.25
    elif how == 1:
        cur = cur + np.std(ref) / 4 if np.isfinite(np.std(ref)) else cur
    elif how == 2:
        cur = ref[:len(cur)].copy()
    elif how == 3:
        cur = SHAPES[r.integers(0, len(SHAPES))](r, len(cur))
    return shape.__name__, ref, cur


def text_pair(r):
    words = ["a", "b", "B", "1", "1.0", "é", "with, comma", 'a "quote"',
             "two words", "None", "nan", "0", "zz", "line\nbreak"]
    k = int(r.integers(1, len(words) + 1))
    some = list(r.choice(words, k, replace=False))
    if r.integers(0, 4) == 0:
        some += ["w%d" % i for i in range(r.integers(1, 300))]
    drop = r.random() * 0.4

    def sample(n):
        kept = [w for w in some if r.random() > drop] or some[:1]
        weight = 1.0 / np.arange(1, len(kept) + 1) ** r.integers(0, 3)
        return [str(w) for w in r.choice(kept, n, p=weight / weight.sum())]

    return "text", sample(size(r, False)), sample(size(r, True))


# ---- the oracle ----

def moments(x):
    n = len(x)
    if min(x) == max(x):
        return D(x[0]), D(0), D(0) if n > 1 else None
    mean = sum(map(D, x)) / n
    square = sum((D(v) - mean) ** 2 for v in x)
    return mean, (square / n).sqrt(), \
        (square / (n - 1)).sqrt() if n > 1 else None


def quantile(x, i, r):
    t = (len(x) - 1) * i
    k, f = t // r, (t % r) / r
    if k + 1 >= len(x):
        return x[-1]
    d = x[k + 1] - x[k]
    return x[k] + d * f if math.isfinite(d) else None


def describe(x, out):
    mean, std0, std = moments(x)
    out["n"] = len(x)
    out["mean"], out["std0"] = mean, std0
    out["std"] = std if std is not None else math.nan
    out["min"], out["max"] = x[0], x[-1]
    out["n_unique"] = len(set(x))
    for p in (1, 5, 25, 50, 75, 95, 99):
        out["q%02d" % p] = quantile(x, p, 100)


def shares(a, b, out):
    """Measures over two lists of counts."""
    a, b = np.array(a, float), np.array(b, float)
    n, m = a.sum(), b.sum()
    p, q = a / n, b / m

    def psi(p, q, zero):
        keep = (p > 0) | (q > 0)
        p, q = np.where(p > 0, p, zero)[keep], np.where(q > 0, q, zero)[keep]
        return float(np.sum((q - p) * np.log(q / p))), \
            float(np.sum(q * np.log(q / p)))

    out["psi"], out["kl"] = psi(p, q, 1e-4)
    out["psi_eps1e6"] = psi(p, q, 1e-6)[0]
    k = len(a)
    out["psi_laplace"] = psi((a + 0.5) / (n + 0.5 * k),
                             (b + 0.5) / (m + 0.5 * k), 1)[0]
    mid = (p + q) / 2
    js = (np.sum(special.rel_entr(p, mid)) +
          np.sum(special.rel_entr(q, mid))) / 2 / math.log(2)
    out["js"] = math.sqrt(max(js, 0.0))
    out["hellinger"] = math.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)
    out["tv"] = float(np.sum(np.abs(p - q)) / 2)
    return psi, n, m


def bins(x, edges, side):
    at = np.searchsorted(edges, x, side=side)
    return np.bincount(at, minlength=len(edges) + 1)


def binned(ref, cur, missing, out):
    edges = [quantile(ref, i, 10) for i in range(1, 10)]
    if None in edges:
        return
    edges = sorted(set(edges))
    a, b = bins(ref, edges, "left"), bins(cur, edges, "left")
    psi, n, m = shares(a, b, out)
    out["psi_left"] = psi(bins(ref, edges, "right") / n,
                          bins(cur, edges, "right") / m, 1e-4)[0]
    missing_bin(a, b, missing, psi, out)


def missing_bin(a, b, missing, psi, out):
    if sum(missing):
        p = np.append(a, missing[0]) / (np.sum(a) + missing[0])
        q = np.append(b, missing[1]) / (np.sum(b) + missing[1])
        out["psi_missbin"] = psi(p, q, 1e-4)[0]


def ranks2(x, y):
    """Twice the midranks of both in the pooled sample, exactly."""
    pooled = collections.Counter(x) + collections.Counter(y)
    at, rank = 0, {}
    for v in sorted(pooled):
        rank[v] = 2 * at + pooled[v] + 1
        at += pooled[v]
    return [rank[v] for v in x], [rank[v] for v in y]


def cvm(ref, cur, out):
    n, m = len(ref), len(cur)
    r, s = ranks2(ref, cur)
    u4 = n * sum((a - 2 * i) ** 2 for i, a in enumerate(r, 1)) + \
        m * sum((a - 2 * i) ** 2 for i, a in enumerate(s, 1))
    k, total = n * m, n + m
    t = D(6 * u4 - 4 * k * (4 * k - 1)) / (24 * k * total)
    out["cvm_statistic"] = t
    mean = (1 + 1 / total) / 6
    var = (total + 1) * (4 * k * total - 3 * (n * n + m * m) - 2 * k) / \
        (45 * total ** 2 * 4 * k)
    x = 1 / 6 + (float(t) - mean) / math.sqrt(45 * var)
    if x < 0.003:
        out["cvm_pvalue"] = 1.0
    elif x < 10:
        j = np.arange(60)
        q = (4 * j + 1) ** 2 / (16 * x)
        terms = special.gamma(j + .5) / special.gamma(j + 1) * \
            np.sqrt(4 * j + 1) * np.exp(-2 * q) * special.kve(.25, q)
        out["cvm_pvalue"] = 1 - terms.sum() / (math.pi ** 1.5 * math.sqrt(x))
    else:
        out["cvm_pvalue"] = 0.0


def welch(ref, cur, out):
    n, m = len(ref), len(cur)
    (a, a0, sa), (b, b0, sb) = moments(ref), moments(cur)
    va, vb = sa * sa / n, sb * sb / m
    if va + vb == 0:
        out["welch_t"] = math.copysign(math.inf, b - a)
        out["welch_pvalue"] = 0.0
        return
    t = (b - a) / (va + vb).sqrt()
    dof = (va + vb) ** 2 / (va * va / (n - 1) + vb * vb / (m - 1))
    out["welch_t"] = t
    out["welch_pvalue"] = 2 * stats.t.sf(abs(float(t)), float(dof))


def shifts(ref, cur, out):
    (a, a0, _), (b, b0, _) = moments(ref), moments(cur)
    if a0 == 0:
        return
    for name, move in (("mean_shift", (b - a) / a0),
                       ("std_shift", b0 / a0 - 1)):
        if abs(move) <= D(sys.float_info.max):
            out[name] = move
    most, moves = D(0), {}
    for p in (5, 25, 50, 75, 95):
        x, y = quantile(ref, p, 100), quantile(cur, p, 100)
        if x is None or y is None:
            return
        move = (D(y) - D(x)) / a0
        moves["q%02d_shift" % p] = move
        most = max(most, abs(move))
    if most <= D(sys.float_info.max):    # else the whole is no number
        out["quantile_shift"] = most
        out.update(moves)


def areas(ref, cur, out):
    """Integrals of |F - G| and (F - G)^2, exactly."""
    a, b = collections.Counter(ref), collections.Counter(cur)
    n, m = len(ref), len(cur)
    values = sorted(set(a) | set(b))
    h, w, e, most = 0, D(0), D(0), 0
    for i, v in enumerate(values):
        h += a[v] * m - b[v] * n
        most = max(most, abs(h))
        if i + 1 < len(values):
            d = D(values[i + 1]) - D(v)
            w += abs(h) * d
            e += h * h * d
    out["ks_statistic"] = D(most) / (n * m)
    out["ks_robust"] = max(0.0, most / (n * m) -
                           1.8 * math.sqrt((n + m) / (n * m)))
    out["wasserstein"] = w / (n * m)
    out["energy_distance"] = (2 * e).sqrt() / (n * m)
    std0 = moments(ref)[1]
    out["wasserstein_norm"] = w / (n * m) / std0 if std0 else math.nan


def numeric(ref, cur, missing):
    out = {}
    ref = sorted(float(v) + 0.0 for v in ref)
    cur = sorted(float(v) + 0.0 for v in cur)
    n, m = len(ref), len(cur)
    describe(cur, out)
    out["out_of_range_share"] = \
        sum(v < ref[0] or v > ref[-1] for v in cur) / m
    binned(ref, cur, missing, out)
    areas(ref, cur, out)
    shifts(ref, cur, out)
    asymp = stats.ks_2samp(ref, cur, method="asymp").pvalue
    out["ks_pvalue_asymp"] = asymp
    out["ks_pvalue_exact"] = stats.ks_2samp(ref, cur, method="exact").pvalue
    out["ks_pvalue"] = stats.ks_2samp(ref, cur).pvalue
    root = math.sqrt(n * m / (n + m))
    d = float(out["ks_statistic"])
    out["ks_pvalue_kolmogorov"] = special.kolmogorov(root * d)
    out["ks_pvalue_stephens"] = \
        special.kolmogorov((root + 0.12 + 0.11 / root) * d)
    if n < 2 or m < 2:
        return out
    cvm(ref, cur, out)
    if ref[0] == ref[-1] == cur[0] == cur[-1]:
        return out
    ad = stats.anderson_ksamp([ref, cur])
    out["ad_statistic"], out["ad_pvalue"] = ad.statistic, ad.pvalue
    mwu = stats.mannwhitneyu(cur, ref, method="asymptotic")
    out["mwu_statistic"], out["mwu_pvalue"] = mwu.statistic, mwu.pvalue
    welch(ref, cur, out)
    return out


def categorical(ref, cur, missing):
    out = {}
    a, b = collections.Counter(ref), collections.Counter(cur)
    names = sorted(set(a) | set(b), key=lambda s: s.encode())
    x, y = [a[k] for k in names], [b[k] for k in names]
    psi, n, m = shares(x, y, out)
    missing_bin(x, y, missing, psi, out)
    out["linf"] = max(abs(p / n - q / m) for p, q in zip(x, y))
    table = np.array([x, y])
    chi2 = stats.chi2_contingency(table, correction=False)
    out["chi2_statistic"], out["chi2_pvalue"] = chi2[0], chi2[1]
    out["chi2_dof"] = chi2[2]
    g = stats.chi2_contingency(table, correction=False,
                               lambda_="log-likelihood")
    out["g_statistic"], out["g_pvalue"] = max(g[0], 0.0), g[1]
    if len(names) == 2:
        yates = stats.chi2_contingency(table)
        out["chi2_yates_statistic"], out["chi2_yates_pvalue"] = yates[:2]
    out["cramers_v"] = math.sqrt(chi2[0] / (n + m)) if len(names) > 1 \
        else math.nan
    out["n_categories"] = len(b)
    out["n_new_categories"] = sum(k not in a for k in b)
    out["n_lost_categories"] = sum(k not in b for k in a)
    out["new_category_share"] = \
        sum(c for k, c in b.items() if k not in a) / m
    return out


# ---- comparing ----

IN_UNITS = ("mean", "std0", "std", "wasserstein", "min", "max")


def is_close(metric, ours, oracle, scale, least):
    if oracle is None:
        return True     # beyond the oracle's own arithmetic
    if least < 1e-300 and (metric.endswith(("_shift", "_norm")) or
                           metric.startswith("welch")):
        return True     # in units of a deviation that has few digits itself
    if ours is None:
        return False
    if isinstance(oracle, D):
        wanted = oracle
    else:
        oracle = float(oracle)
        if not math.isfinite(oracle):
            return ours == oracle or (math.isnan(ours) and
                                      math.isnan(oracle))
        wanted = D(oracle)
    if not math.isfinite(ours):
        return abs(wanted) > D(sys.float_info.max)
    rel, absolute = D("1e-9"), D("1e-12")
    if "pvalue" in metric:
        rel = D("1e-5") if metric in ("ks_pvalue_asymp", "ks_pvalue") \
            else D("1e-6")
        if wanted > D("1e-12"):
            absolute = D("1e-14")
        else:
            rel, absolute = D(0), D("1e-10")
        if metric == "cvm_pvalue":
            absolute = D("1e-10")
    elif metric in ("js", "hellinger"):
        absolute = D("1e-8")
    elif metric in ("cvm_statistic", "ad_statistic"):
        rel = D("1e-8")
    elif metric.endswith("_shift"):
        absolute = D("1e-9")
    elif metric in IN_UNITS or metric[1:].isdigit():
        absolute = D(scale) * D("1e-14") + D("5e-324")
    elif metric == "energy_distance":
        absolute = D(0)
        rel = D("1e-8")
    return abs(D(ours) - wanted) <= rel * abs(wanted) + absolute


def write(path, columns):
    rows = max(len(c) for c in columns.values())
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(columns)
        for i in range(rows):
            out.writerow([c[i] if i < len(c) else "" for c in
                          columns.values()])


def run(folder, numbers, texts, sides):
    model = os.path.join(folder, "model.yaml")
    with open(model, "w", encoding="utf-8") as f:
        f.write("name: random\nversion: \"1\"\ntask: none\nfeatures:\n"
                "  numeric: [%s]\n  categorical: [%s]\n" %
                (", ".join(numbers), ", ".join(texts)))
    paths = [os.path.join(folder, n) for n in ("ref.csv", "cur.csv")]
    for path, side in zip(paths, sides):
        write(path, side)
    done = subprocess.run(
        [os.environ["DRIFTD"], "compare", "--model", model, "--reference",
         paths[0], "--current", paths[1], "--format", "long"],
        stdout=subprocess.PIPE, check=True, text=True)
    found = collections.defaultdict(dict)
    for row in csv.DictReader(done.stdout.splitlines()):
        if row["chunk_start"] != "-1":
            found[row["column"]][row["metric"]] = float(row["value"])
    return found


def main():
    seed = int(os.environ.get("SEED") or time.time_ns() % 2 ** 32)
    print("%s: SEED=%d" % (NAME, seed))
    r = np.random.default_rng(seed)
    cases = {}
    for i in range(NUMERIC):
        cases["x%d" % i] = numeric_pair(r)
    for i in range(CATEGORICAL):
        cases["t%d" % i] = text_pair(r)
    sides = [{k: [v if isinstance(v, str) else repr(float(v)) for v in c[s]]
              for k, c in cases.items()} for s in (1, 2)]
    rows = [max(len(c) for c in side.values()) for side in sides]
    with tempfile.TemporaryDirectory() as folder:
        found = run(folder, [k for k in cases if k[0] == "x"],
                    [k for k in cases if k[0] == "t"], sides)
    passed = failed = 0
    for name, (shape, ref, cur) in cases.items():
        missing = [rows[0] - len(ref), rows[1] - len(cur)]
        oracle = (numeric if name[0] == "x" else categorical)(
            ref, cur, missing)
        scales = [max(abs(float(v)) for v in side) if name[0] == "x" else 1
                  for side in (ref, cur)]
        wrong = [(k, found[name].get(k), v) for k, v in oracle.items()
                 if not is_close(k, found[name].get(k), v, max(scales),
                                 min(scales))]
        passed += not wrong
        failed += bool(wrong)
        for metric, ours, wanted in wrong:
            print("FAIL %s %s (%d, %d rows) %s: %r, oracle %s" %
                  (name, shape, len(ref), len(cur), metric, ours, wanted))
    print("%s: %d passed, %d failed, 0 skipped" % (NAME, passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
