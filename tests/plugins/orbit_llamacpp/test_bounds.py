"""Grammars of numbers between bounds."""

import itertools
import math
import re

from orbit_llamacpp.engine.bounds import bounded


def test_a_grammar_has_all_numbers_within_the_bounds_and_no_others() -> None:
    """Each grammar is read as a regular expression, which means the same."""
    values = [0, 1, 9, 10, 99, 100, 1000, -1, -10, -99, 0.5, 0.25, -0.5, 9.99, 2**63 - 1, -(2**63)]
    words = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    texts = [str(number) for number in range(-120, 1100)] + [f"{number / 100:.2f}1" for number in range(-1100, 1100, 7)]
    for first, second in itertools.combinations(itertools.product(words, values), 2):
        bounds = dict([first, second])
        lowest = max(bounds.get("minimum", -math.inf), bounds.get("exclusiveMinimum", -math.inf))
        highest = min(bounds.get("maximum", math.inf), bounds.get("exclusiveMaximum", math.inf))
        beyond = {bounds[word] for word in words[2:] if word in bounds}
        places = 2 * any(isinstance(value, float) for value in bounds.values())
        for kind in ("integer", "number"):
            grammar = bounded({"type": kind, **bounds})
            assert grammar is not None
            if not grammar:
                assert lowest >= highest or kind == "integer"
                continue
            form = re.compile(re.sub(r'"([^"]*)"', lambda found: re.escape(found[1]), grammar).replace(" ", ""))
            for text in texts:
                within = lowest <= float(text) <= highest and float(text) not in beyond
                written = "." not in text if kind == "integer" else "." in text or not places
                if written:
                    assert bool(form.fullmatch(text)) == within, (bounds, kind, text)
