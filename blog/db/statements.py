"""Statements compiled once: compiling anew at each call is the larger part of a short query's time."""

from typing import Any

from databases.backends.common.records import create_column_maps
from databases.backends.sqlite import CompilationContext
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.util import LRUCache

_KEPT = 600


class Statement:
    """A compiled statement: its SQL, and how the values and the rows of each call are made."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        self.sql = compiled.string
        self.columns: Any = compiled._result_columns
        self.maps: Any = create_column_maps(self.columns)
        self._compiled = compiled
        context: Any = dialect.execution_ctx_cls()
        context.dialect = dialect
        context.result_column_struct = (
            compiled._result_columns,
            compiled._ordered_columns,
            compiled._textual_ordered_columns,
            compiled._ad_hoc_textual,
            compiled._loose_column_name_matching,
        )
        self.context: Any = CompilationContext(context)

    def arguments(self, params: dict[str, Any]) -> list[Any]:
        """The values in the order of the placeholders, as the driver takes them."""
        processors: Any = self._compiled._bind_processors
        names = self._compiled.positiontup or ()
        return [processors[name](params[name]) if name in processors else params[name] for name in names]


class StatementCache:
    """Compiled statements by their SQLAlchemy cache key; the least used go first."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._kept: LRUCache[Any, tuple[Statement, SQLCompiler]] = LRUCache(_KEPT)

    def compile(self, query: ClauseElement) -> tuple[Statement, list[Any]]:
        """The statement and the values of this call."""
        key = query._generate_cache_key()
        if key is not None:
            kept = self._kept.get(key.key)
            if kept is None:
                compiled: Any = query.compile(dialect=self._dialect, cache_key=key, column_keys=[])
                kept = self._kept[key.key] = (Statement(compiled, self._dialect), compiled)
            statement, compiled = kept
            # An IN list has another text for each length: such a statement is compiled at each call.
            if not compiled.post_compile_params and not compiled.literal_execute_params:
                params = compiled.construct_params(extracted_parameters=key.bindparams, escape_names=False, **_collected(key))
                return statement, statement.arguments(params)
        compiled = query.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        statement = Statement(compiled, self._dialect)
        return statement, statement.arguments(compiled.construct_params())


def writes(query: ClauseElement) -> bool:
    """Only what cannot write may go to a reader; of texts, those that begin with SELECT."""
    if isinstance(query, TextClause):
        return not query.text.lstrip().upper().startswith("SELECT")
    return isinstance(query, UpdateBase) or not query.is_selectable


def inserts(query: ClauseElement) -> bool:
    """Is it an INSERT? Of texts, by how they begin."""
    if isinstance(query, TextClause):
        return query.text.lstrip().upper().startswith(("INSERT", "REPLACE"))
    return isinstance(query, Insert)


def _collected(key: Any) -> dict[str, Any]:
    return {"_collected_params": key.params} if hasattr(key, "params") else {}  # SQLAlchemy 2.1 and later
