"""Digits of somebody's own for the digits module: as a table, so that no test needs scikit-learn's."""

import random

LINES = 240
FOLDER, FILE = "digits", "mine.csv"
# What somebody types in a notebook to read the weights that trainings kept on the storage "files".
INSTALL = "%pip install --quiet numpy"
READ = "\n".join(
    (
        "import numpy, os, pathlib",
        "found = pathlib.Path(os.environ['SERAI_STORAGES_DIR'], 'files', 'weights').glob('*.npz')",
        "print(sorted(numpy.load(one)['hidden'].shape for one in found))",
    )
)
# Of four trainings with 48 neurons over 8 × 8 pixels.
WEIGHTS = "[(64, 48), (64, 48), (64, 48), (64, 48)]"


def table() -> str:
    """Ten shapes of 8 × 8 grey values, each many times with a shaking hand."""
    dice = random.Random(1815)
    shapes = [[dice.choice((0, 0, 8, 16)) for _pixel in range(64)] for _digit in range(10)]
    return "".join(_line(shapes[number % 10], number % 10, dice) for number in range(LINES))


def _line(shape: list[int], digit: int, dice: random.Random) -> str:
    shaken = [min(16, max(0, value + dice.randint(-3, 3))) for value in shape]
    return ",".join(map(str, (*shaken, digit))) + "\n"
