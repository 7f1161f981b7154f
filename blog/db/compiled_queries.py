"""Statements compiled once: compiling anew at each call is the larger part of a short query's time."""

from collections.abc import KeysView, Mapping, Sequence
from typing import Any

from databases.backends.common.records import create_column_maps
from databases.interfaces import Record
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.util import LRUCache

_CACHE_SIZE = 600


class PreparedQuery:
    """A query that is made once, with a `bindparam` for each value that calls bring; for an INSERT they bring its `columns`.

    `await db.fetch_all(prepared(post_id=7))`: making the same query at each call costs more than SQLite takes to answer it.
    """

    def __init__(self, query: ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        self.query, self.columns = query, columns

    def __call__(self, **values: Any) -> "BoundQuery":
        """With these values."""
        return BoundQuery(self, values)


class BoundQuery:
    """A prepared query with the values of one call."""

    __slots__ = ("prepared", "values")

    def __init__(self, prepared: PreparedQuery, values: dict[str, Any]) -> None:
        self.prepared, self.values = prepared, values


Query = ClauseElement | BoundQuery


class Row(Record):
    """A row of a result: values by the name or the place of their column."""

    __slots__ = ("_positions", "_values")

    def __init__(self, places: Mapping[str, int], values: tuple[Any, ...] | list[Any]) -> None:
        self._positions, self._values = places, values

    @property
    def _mapping(self) -> Mapping[str, Any]:
        return {name: self._values[place] for name, place in self._positions.items()}

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._positions[key] if isinstance(key, str) else key]

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> KeysView[str]:
        """The names of the columns."""
        return self._positions.keys()


class Statement:
    """A compiled statement: its SQL, and how the values and the rows of each call are made."""

    def __init__(self, compiled: SQLCompiler, query: ClauseElement, dialect: Dialect) -> None:
        self.sql = compiled.string
        self.is_write, self.is_insert = is_write(query), is_insert(query)
        self.columns: Any = compiled._result_columns
        self.column_maps: Any = create_column_maps(self.columns)
        # What SQLAlchemy would find out anew at each call: values that stand in the query itself, and how each is handed over.
        self.params: Mapping[str, Any] = compiled.params
        binders: Any = compiled._bind_processors
        self._bind_processors = [(name, binders.get(name)) for name in compiled.positiontup or ()]
        found = [column.type._cached_result_processor(dialect, None) for column in self.columns]
        self._result_processors = [(place, processor) for place, processor in enumerate(found) if processor is not None]
        self._names: tuple[str, ...] = ()
        self._positions: dict[str, int] = {}

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the placeholders, as the driver takes them."""
        return [params[name] if bind is None else bind(params[name]) for name, bind in self._bind_processors]

    def rows(self, names: tuple[str, ...], found: list[tuple[Any, ...]]) -> list[Row]:
        """Rows as the driver gave them, with the names of their columns, in the types of the query."""
        if names != self._names:
            self._names, self._positions = names, {}
            for place, name in enumerate(names):
                self._positions.setdefault(name, place)
        if not self._result_processors:
            return [Row(self._positions, values) for values in found]
        return [Row(self._positions, self._process_row(values)) for values in found]

    def _process_row(self, values: tuple[Any, ...]) -> list[Any]:
        ready = list(values)
        for place, processor in self._result_processors:
            ready[place] = processor(ready[place])
        return ready


class StatementCache:
    """Compiled statements, prepared ones and others by their SQLAlchemy cache key; the least used go first."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._cache: LRUCache[Any, tuple[Statement, SQLCompiler]] = LRUCache(_CACHE_SIZE)

    def compile(self, query: Query) -> tuple[Statement, list[Any]]:
        """The statement and the values of this call."""
        if isinstance(query, BoundQuery):
            return self._compile_prepared(query)
        key = query._generate_cache_key()
        if key is not None:
            kept = self._cache.get(key.key)
            if kept is None:
                compiled: Any = query.compile(dialect=self._dialect, cache_key=key, column_keys=[])
                kept = self._cache[key.key] = (Statement(compiled, query, self._dialect), compiled)
            statement, compiled = kept
            # An IN list has another text for each length: such a statement is compiled at each call.
            if not compiled.post_compile_params and not compiled.literal_execute_params:
                params = compiled.construct_params(
                    extracted_parameters=key.bindparams, escape_names=False, **_collected_params(key)
                )
                return statement, statement.arguments(params)
        compiled = query.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        statement = Statement(compiled, query, self._dialect)
        return statement, statement.arguments(compiled.construct_params())

    def _compile_prepared(self, call: BoundQuery) -> tuple[Statement, list[Any]]:
        kept = self._cache.get(call.prepared)
        if kept is None:
            query, columns = call.prepared.query, call.prepared.columns
            compiled: Any = query.compile(dialect=self._dialect, column_keys=columns, compile_kwargs={"render_postcompile": True})
            kept = self._cache[call.prepared] = (Statement(compiled, query, self._dialect), compiled)
        statement, _ = kept
        return statement, statement.arguments({**statement.params, **call.values})


def is_write(query: ClauseElement) -> bool:
    """Only what cannot write may go to a reader; of texts, those that begin with SELECT."""
    if isinstance(query, TextClause):
        return not query.text.lstrip().upper().startswith("SELECT")
    return isinstance(query, UpdateBase) or not query.is_selectable


def is_insert(query: ClauseElement) -> bool:
    """Is it an INSERT? Of texts, by how they begin."""
    if isinstance(query, TextClause):
        return query.text.lstrip().upper().startswith(("INSERT", "REPLACE"))
    return isinstance(query, Insert)


def _collected_params(key: Any) -> dict[str, Any]:
    return {"_collected_params": key.params} if hasattr(key, "params") else {}  # SQLAlchemy 2.1 and later
