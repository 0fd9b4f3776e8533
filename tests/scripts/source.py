# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of the layers, for the scripts that check them."""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Each layer includes itself and those before it.
LAYERS = ("base", "detectors", "config", "storage", "alerts", "daemon")

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def files():
    """Paths of all .c and .h files of the layers, relative to the root."""
    for layer in LAYERS:
        for folder, _, names in sorted(os.walk(os.path.join(ROOT, layer))):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8",
              errors="replace") as f:
        return f.read()


def code(text):
    """The text without comments and contents of literals; lines stay."""
    def blank(match):
        token = match.group()
        kept = "\n" * token.count("\n")
        return kept + (token[0] * 2 if token[0] in "\"'" else " ")
    return TOKEN.sub(blank, text)
