"""Writes tests/fixtures/report/classification.json: confusion matrices with scikit-learn's own report on each.

    pip install numpy scikit-learn
    python tests/scripts/classification_fixture.py tests/fixtures/report/classification.json
"""

import json
import sys

import numpy as np
from sklearn.metrics import classification_report

GTZAN = "blues classical country disco hiphop jazz metal pop reggae rock".split()


def case(name, genres, truth, predicted):
    labels = range(len(genres))
    options = dict(labels=labels, target_names=genres, zero_division=0)
    matrix = np.zeros((len(genres), len(genres)), dtype=int)
    np.add.at(matrix, (truth, predicted), 1)
    return {
        "name": name,
        "genres": genres,
        "confusion": matrix.tolist(),
        "text": classification_report(truth, predicted, **options),
        "values": classification_report(truth, predicted, output_dict=True, **options),
    }


def random_case(name, genres, samples, skill, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(genres), samples)
    guess = rng.integers(0, len(genres), samples)
    return case(name, genres, truth, np.where(rng.random(samples) < skill, truth, guess))


def main(path):
    cases = [
        random_case("ten genres", GTZAN, 200, 0.7, 1),
        random_case("perfect", GTZAN, 50, 1.0, 2),
        random_case("thirty classes", [f"class {i}" for i in range(30)], 137, 0.4, 3),
        # Ratios of eighths end in exactly 5 in the third decimal, where the way of rounding shows.
        case("ties", ["a", "b"], np.array([0] * 8 + [1] * 8), np.array([0] + [1] * 7 + [1] * 3 + [0] * 5)),
        case("no support, never predicted", ["a", "b", "ghost"], np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])),
        case("no support, but predicted", ["a", "ghost"], np.array([0, 0, 0]), np.array([0, 1, 1])),
        case("nothing right", ["a", "b"], np.array([0, 1]), np.array([1, 0])),
        random_case("long and foreign names", ["drum & bass / jungle (1990s)", "Ζεϊμπέκικο", "x"], 40, 0.5, 4),
    ]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(cases, file, indent=1, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
