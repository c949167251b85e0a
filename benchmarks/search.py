"""How long the marketplace takes to answer among many assets: ``python benchmarks/search.py [assets]``.

Makes a database of its own in a temporary folder (or uses DATABASE_URL's test twin), fills it with synthetic
assets, and prints p50 and p95 of what the list page asks. Reported, never a gate.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
os.environ["SERAI_DATA"] = tempfile.mkdtemp(prefix="serai-benchmark-")

import django
from django.db import connection, connections, reset_queries
from django.http import QueryDict

django.setup()

from marketplace import schema, search  # noqa: E402 (Django first)
from marketplace.models import Asset, Kind, Source, SourceKind  # noqa: E402

ROUNDS = 60
SUBJECTS = ("seeds", "corals", "plankton", "litter", "birds", "roofs", "storms", "eyes", "cells", "roads", "prices")
VERBS = ("classifier", "detector", "segmenter", "forecaster", "denoiser", "generator", "counter", "tracker")
SEARCHES = {
    "first page": "",
    "one word": "q=coral",
    "two words": "q=seed classif",
    "one letter": "q=s",
    "no hit": "q=zzzz",
    "one facet": "libraries=PyTorch",
    "three facets": "libraries=PyTorch&tasks=Classification&data-type=Image",
    "word and facets": "q=coral&libraries=PyTorch&libraries=Keras&tasks=Classification",
    "newest": "sort=newest",
    "last page": "page=9999",
}


def synthetic(source: Source, number: int, chance: random.Random) -> Asset:
    subject, verb = chance.choice(SUBJECTS), chance.choice(VERBS)
    lists = {key: chance.sample(schema.values(key), 2) for key in ("libraries", "tasks", "categories", "data-type")}
    # A vocabulary as of real descriptions: few words are everywhere, most are rare.
    words = " ".join(f"word{int(chance.paretovariate(0.6)) % 20_000}" for _ in range(200))
    return Asset(
        slug=f"{subject}-{number}",
        title=f"{subject} {verb} {number}",
        kind=Kind.MODULE,
        source=source,
        origin=str(number),
        summary=f"A {verb} of {subject} for {chance.choice(SUBJECTS)}.",
        description=f"{words} {chance.choice(SUBJECTS)}",
        metadata={**lists, "tags": chance.sample(SUBJECTS, 3)},
        licence=chance.choice(["MIT", "Apache-2.0", "GPL-3.0-only"]),
        created=f"20{chance.randint(15, 26)}-0{chance.randint(1, 9)}-11",
    )


def fill(count: int) -> None:
    source = Source.objects.create(slug="synthetic", title="Synthetic", kind=SourceKind.FOLDER, location=".")
    chance = random.Random(1)
    Asset.objects.bulk_create((synthetic(source, number, chance) for number in range(count)), batch_size=500)
    search.rebuild()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    name = connection.creation.create_test_db(verbosity=0)
    print(f"{connection.vendor}, {count:,} assets; filled in {timed(lambda: fill(count)) / 1000:.1f} s")
    print(f"{'search':<18}{'hits':>8}{'queries':>9}{'p50 ms':>9}{'p95 ms':>9}")
    for label, address in SEARCHES.items():
        query = search.Query.from_params(QueryDict(address))
        connection.force_debug_cursor = True
        reset_queries()
        hits = search.find(query).count
        queries = len(connection.queries)
        connection.force_debug_cursor = False
        times = [timed(partial(search.find, query)) for _ in range(ROUNDS)]
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"{label:<18}{hits:>8,}{queries:>9}{statistics.median(times):>9.1f}{p95:>9.1f}")
    connections["default"].creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
