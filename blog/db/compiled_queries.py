"""Statements that are compiled once: compiling at each call is the larger part of a short query's time."""

import copy
from collections.abc import KeysView, Mapping, Sequence
from typing import Any

from databases.backends.common.records import create_column_maps
from databases.interfaces import Record
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import ExpandedState, SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.util import LRUCache

_CACHE_SIZE = 600


class PreparedQuery:
    """A query that is built once, with a `bindparam` for each value that differs per call; for an INSERT, with its `columns`.

    Use: `await db.fetch_all(prepared(post_id=7))`. Building the same query at each call takes longer than SQLite needs to run it.
    """

    def __init__(self, query: ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        self.query, self.columns = query, columns

    def __call__(self, **values: Any) -> "BoundQuery":
        """Bind the values of one call."""
        return BoundQuery(self, values)


class BoundQuery:
    """A prepared query with the values of one call."""

    __slots__ = ("prepared", "values")

    def __init__(self, prepared: PreparedQuery, values: dict[str, Any]) -> None:
        self.prepared, self.values = prepared, values


Query = ClauseElement | BoundQuery


class Row(Record):
    """A row of a result, with its values by column name or position."""

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
    """A compiled statement: its SQL, and the conversion of its parameters and rows."""

    def __init__(self, compiled: SQLCompiler, query: ClauseElement, dialect: Dialect) -> None:
        self.sql = compiled.string
        self.is_write, self.is_insert = is_write(query), is_insert(query)
        self.columns: Any = compiled._result_columns
        self.column_maps: Any = create_column_maps(self.columns)
        # Computed once, while SQLAlchemy would do it at each call: the constants of the query, and the processor of each value.
        self.params: Mapping[str, Any] = compiled.params
        binders: Any = compiled._bind_processors
        self._bind_processors = [(name, binders.get(name)) for name in compiled.positiontup or ()]
        processors = [column.type._cached_result_processor(dialect, None) for column in self.columns]
        self._result_processors = [(place, processor) for place, processor in enumerate(processors) if processor is not None]
        self._names: tuple[str, ...] = ()
        self._positions: dict[str, int] = {}

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the placeholders, converted for the driver."""
        return [params[name] if bind is None else bind(params[name]) for name, bind in self._bind_processors]

    def expanded(self, state: ExpandedState) -> "Statement":
        """Return the statement with a placeholder for each value of its IN lists, which SQLAlchemy adds at each call."""
        binders = {**dict(self._bind_processors), **state.processors}
        statement = copy.copy(self)
        statement.sql = state.statement
        statement._bind_processors = [(name, binders.get(name)) for name in state.positiontup or ()]
        return statement

    def rows(self, names: tuple[str, ...], driver_rows: list[tuple[Any, ...]]) -> list[Row]:
        """Return the rows of the driver, with their column names, converted to the types of the query."""
        if names != self._names:
            self._names, self._positions = names, {}
            for place, name in enumerate(names):
                self._positions.setdefault(name, place)
        if not self._result_processors:
            return [Row(self._positions, values) for values in driver_rows]
        return [Row(self._positions, self._process_row(values)) for values in driver_rows]

    def _process_row(self, values: tuple[Any, ...]) -> list[Any]:
        row = list(values)
        for place, processor in self._result_processors:
            row[place] = processor(row[place])
        return row


class StatementCache:
    """An LRU cache of compiled statements, by prepared query or by SQLAlchemy's cache key."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._cache: LRUCache[Any, tuple[Statement, SQLCompiler]] = LRUCache(_CACHE_SIZE)

    def compile(self, query: Query) -> tuple[Statement, list[Any]]:
        """Return the compiled statement, and the arguments of this call."""
        if isinstance(query, BoundQuery):
            return self._compile_prepared(query)
        key = query._generate_cache_key()
        if key is not None:
            cached = self._cache.get(key.key)
            if cached is None:
                compiled: Any = query.compile(dialect=self._dialect, cache_key=key, column_keys=[])
                cached = self._cache[key.key] = (Statement(compiled, query, self._dialect), compiled)
            statement, compiled = cached
            params = compiled.construct_params(extracted_parameters=key.bindparams, escape_names=False, **_collected_params(key))
            if compiled.post_compile_params or compiled.literal_execute_params:
                state = compiled.construct_expanded_state(params, escape_names=False)
                return (expanded := statement.expanded(state)), expanded.arguments(state.parameters)
            return statement, statement.arguments(params)
        compiled = query.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        statement = Statement(compiled, query, self._dialect)
        return statement, statement.arguments(compiled.construct_params())

    def _compile_prepared(self, call: BoundQuery) -> tuple[Statement, list[Any]]:
        cached = self._cache.get(call.prepared)
        if cached is None:
            query, columns = call.prepared.query, call.prepared.columns
            compiled: Any = query.compile(dialect=self._dialect, column_keys=columns, compile_kwargs={"render_postcompile": True})
            cached = self._cache[call.prepared] = (Statement(compiled, query, self._dialect), compiled)
        statement, _ = cached
        return statement, statement.arguments({**statement.params, **call.values})


def is_write(query: ClauseElement) -> bool:
    """Return whether the statement may write, so that it needs the writer. Text may write unless it begins with SELECT."""
    if isinstance(query, TextClause):
        return not query.text.lstrip().upper().startswith("SELECT")
    return isinstance(query, UpdateBase) or not query.is_selectable


def is_insert(query: ClauseElement) -> bool:
    """Return whether the statement is an INSERT. Text is one if it begins with INSERT or REPLACE."""
    if isinstance(query, TextClause):
        return query.text.lstrip().upper().startswith(("INSERT", "REPLACE"))
    return isinstance(query, Insert)


def _collected_params(key: Any) -> dict[str, Any]:
    return {"_collected_params": key.params} if hasattr(key, "params") else {}  # SQLAlchemy 2.1 and later
