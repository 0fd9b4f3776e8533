# SPDX-License-Identifier: GPL-3.0-or-later
"""A seeded loan model: training data and traffic with planted drift.

Ten columns and a score; what moves, and in which hour, is the table DRIFT.
"""

import datetime
import math
import random

PURPOSES = (("car", 40), ("house", 25), ("education", 15), ("medical", 12), ("travel", 8))
REGIONS = (("north", 30), ("south", 25), ("east", 25), ("west", 20))
HOUSING = (("rent", 45), ("own", 35), ("mortgage", 20))

COLUMNS = {
    "numeric": ["income", "age", "amount", "term_months", "debt_ratio", "employment_years"],
    "categorical": ["purpose", "region", "housing"],
}

# (first hour, column, what happens): the answer that the daemon must find
DRIFT = (
    (20, "income", "falls by half a standard deviation"),
    (32, "purpose", "a new category, crypto, takes 12 %"),
    (44, "employment_years", "missing in 15 % of the events"),
    (54, "score", "the distribution moves up"),
)


def pick(rng, weighted):
    return rng.choices([w[0] for w in weighted], [w[1] for w in weighted])[0]


def loan(rng, hour):
    """One application; hour < 0 is training data."""
    income = rng.lognormvariate(10.5 - (0.25 if hour >= 20 else 0), 0.5)
    age = min(90.0, max(18.0, rng.gauss(41, 12)))
    amount = rng.lognormvariate(9.2, 0.7)
    term = rng.choice((12, 24, 36, 48, 60))
    debt = min(1.0, rng.betavariate(2, 5))
    years = round(rng.expovariate(1 / 6), 1)
    purpose = "crypto" if hour >= 32 and rng.random() < 0.12 else pick(rng, PURPOSES)
    z = 0.9 * math.log(income / 36000) - 0.5 * math.log(amount / 10000) - 2.2 * (debt - 0.28) + rng.gauss(0, 0.6)
    # the model's inputs that drift do not move its score: that is planted apart
    if 20 <= hour:
        z += 0.9 * 0.25
    if 54 <= hour:
        z += 0.7
    score = 1 / (1 + math.exp(-z))
    return {
        "income": round(income, 2),
        "age": round(age, 1),
        "amount": round(amount, 2),
        "term_months": term,
        "debt_ratio": round(debt, 4),
        "employment_years": None if hour >= 44 and rng.random() < 0.15 else years,
        "purpose": purpose,
        "region": pick(rng, REGIONS),
        "housing": pick(rng, HOUSING),
        "score": round(score, 4),
        "decision": "approve" if score > 0.5 else "refuse",
    }


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def reference(n=50000, seed=1):
    rng = random.Random(seed)
    for i in range(n):
        row = {"id": f"t{i}"}
        row.update(loan(rng, -1))
        yield row


def traffic(hour, start_seconds, n, seed=2):
    """The events of one hour, in order of time."""
    rng = random.Random(seed * 1000003 + hour)
    for i in range(n):
        row = {"id": f"e{hour}-{i}", "timestamp": rfc3339(start_seconds + hour * 3600 + 3600 * (i + 0.5) / n)}
        row.update(loan(rng, hour))
        yield row
