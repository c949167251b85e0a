"""Full-text search by the database itself: FTS5 on SQLite, ``tsvector`` on PostgreSQL.

Both keep the same plain words (no accents, no case) in four parts of falling weight, and both match by
the beginnings of words, so that a search works while it is typed.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, FloatField, Func

from marketplace.models import Asset, SearchText

PARTS = ("name", "subjects", "summary", "description")
WEIGHTS = (10.0, 6.0, 4.0, 1.0)
MAX_WORDS = 8
MAX_PART = 50_000  # characters of one part that are searched
WORD = re.compile(r"[^\W_]+")

CREATE = {
    "sqlite": f"""
        CREATE VIRTUAL TABLE marketplace_words
        USING fts5({", ".join(PARTS)}, tokenize = "unicode61", prefix = "1 2 3")
    """,
    "postgresql": """
        CREATE TABLE marketplace_words (rowid bigint PRIMARY KEY, marketplace_words tsvector NOT NULL);
        CREATE INDEX marketplace_words_index ON marketplace_words USING gin (marketplace_words)
    """,
}
WRITE = {
    "sqlite": "INSERT INTO marketplace_words (rowid, name, subjects, summary, description) VALUES (%s, %s, %s, %s, %s)",
    "postgresql": """
        INSERT INTO marketplace_words (rowid, marketplace_words) VALUES (
            %s,
            setweight(to_tsvector('simple', %s), 'A') || setweight(to_tsvector('simple', %s), 'B')
            || setweight(to_tsvector('simple', %s), 'C') || setweight(to_tsvector('simple', %s), 'D')
        )
    """,
}
FORGET = "DELETE FROM marketplace_words WHERE rowid = %s"


def plain(text: str) -> str:
    """Words only, without accents and case: both databases then find the same."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join(WORD.findall(bare.casefold())[:MAX_PART])


def searched(text: str) -> tuple[str, ...]:
    """The words to search for. A plural finds its singular: all words match by their beginning."""
    words = plain(text).split()[:MAX_WORDS]
    return tuple(word[:-1] if len(word) > 4 and word.endswith("s") else word for word in words)


def parts_of(asset: Asset) -> tuple[str, ...]:
    subjects = [*asset.tags, *asset.tasks, *asset.libraries, *asset.data_types, *asset.categories]
    texts = (f"{asset.title} {asset.slug}", " ".join(subjects), asset.summary, asset.description[:MAX_PART])
    return tuple(plain(text) for text in texts)


def write(connection: BaseDatabaseWrapper, assets: Sequence[Asset]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(FORGET, [[asset.pk] for asset in assets])
        cursor.executemany(WRITE[connection.vendor], [[asset.pk, *parts_of(asset)] for asset in assets])


def forget(connection: BaseDatabaseWrapper, primary_key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [primary_key])


@SearchText.words.field.register_lookup
class Beginnings(models.Lookup):
    """``search_text__words__beginnings=("seed", "class")``: rows that hold words beginning so."""

    lookup_name = "beginnings"
    prepare_rhs = False

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str, ...]]:
        return "%s", (EXPRESSIONS[connection.vendor](value),)

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return self._sql(compiler, connection, "{} MATCH {}")

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return self._sql(compiler, connection, "{} @@ to_tsquery('simple', {})")

    def _sql(self, compiler: Any, connection: Any, template: str) -> tuple[str, tuple[Any, ...]]:
        left, left_parameters = self.process_lhs(compiler, connection)
        right, right_parameters = self.process_rhs(compiler, connection)
        return template.format(left, right), (*left_parameters, *right_parameters)


class Distance(Func):
    """How far a matching row is from what was searched: smaller is better."""

    output_field = FloatField()

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__(F("search_text__words"))
        self.searched = words

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:  # noqa: ARG002
        weights = ", ".join(str(weight) for weight in WEIGHTS)
        return f"bm25(marketplace_words, {weights})", ()

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        weights = ", ".join(str(weight / WEIGHTS[0]) for weight in reversed(WEIGHTS))
        expression = EXPRESSIONS[connection.vendor](self.searched)
        return f"-ts_rank(array[{weights}]::real[], {column}, to_tsquery('simple', %s))", (*parameters, expression)


# The words hold letters and digits only, so nothing in them is an operator of either language.
EXPRESSIONS = {
    "sqlite": lambda words: " ".join(f'"{word}"*' for word in words),
    "postgresql": lambda words: " & ".join(f"'{word}':*" for word in words),
}
