"""SQL of the initial schema that SQLAlchemy cannot express: the full-text indexes, the triggers and two indexes."""

from collections.abc import Iterator

# The link tables that repeat a post's publication date, with the column of the other side.
_LINK_TABLES = (("post_tags", "tag_id"), ("post_authors", "user_id"))

# Triggers keep `listed_at` equal to the publication date of visible posts, whichever program writes. A later migration that
# rebuilds one of these tables on SQLite must create its triggers again.
_SQLITE_LINK_TRIGGERS = (
    """
    CREATE TRIGGER {table}_listed AFTER INSERT ON {table} BEGIN
        UPDATE {table} SET listed_at = (
            SELECT published_at FROM posts WHERE id = NEW.post_id AND status = 'published' AND deleted_at IS NULL
        ) WHERE post_id = NEW.post_id AND {column} = NEW.{column};
    END
    """,
    """
    CREATE TRIGGER posts_{table}_listed AFTER UPDATE OF status, published_at, deleted_at ON posts
    WHEN OLD.status IS NOT NEW.status OR OLD.published_at IS NOT NEW.published_at OR OLD.deleted_at IS NOT NEW.deleted_at BEGIN
        UPDATE {table} SET listed_at = CASE WHEN NEW.status = 'published' AND NEW.deleted_at IS NULL THEN NEW.published_at END
        WHERE post_id = NEW.id;
    END
    """,
)
EXPRESSION_INDEXES = {
    "ix_posts_date": "CREATE INDEX ix_posts_date ON posts "
    "(coalesce(published_at, publish_at, created_at), id, status, deleted_at)",
    "ix_posts_title": "CREATE INDEX ix_posts_title ON posts (lower(title), id, status, deleted_at)",
}
"""The statements that create the indexes of expressions, by name. Dropping the table drops them."""
_SQLITE_FULLTEXT = (
    "CREATE VIRTUAL TABLE posts_fts USING fts5(title UNINDEXED, body UNINDEXED, title_words, names_words, body_words, "
    "prefix='2 4', tokenize=\"ascii tokenchars '+#.|'\")"
)

_POSTGRESQL_LINK_TRIGGERS = (
    """
    CREATE FUNCTION {table}_link_listed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.listed_at := (
            SELECT published_at FROM posts WHERE id = NEW.post_id AND status = 'published' AND deleted_at IS NULL
        );
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER {table}_listed BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_link_listed()",
    """
    CREATE FUNCTION {table}_post_listed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE {table} SET listed_at = CASE WHEN NEW.status = 'published' AND NEW.deleted_at IS NULL THEN NEW.published_at END
        WHERE post_id = NEW.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER posts_{table}_listed AFTER UPDATE OF status, published_at, deleted_at ON posts FOR EACH ROW
    WHEN ((OLD.status, OLD.published_at, OLD.deleted_at) IS DISTINCT FROM (NEW.status, NEW.published_at, NEW.deleted_at))
    EXECUTE FUNCTION {table}_post_listed()
    """,
)
_POSTGRESQL_FULLTEXT = (
    """
    CREATE TABLE posts_fts (
        post_id bigint NOT NULL CONSTRAINT pk_posts_fts PRIMARY KEY, title text NOT NULL, body text NOT NULL,
        title_words text NOT NULL, names_words text NOT NULL, body_words text NOT NULL, document tsvector NOT NULL
    )
    """,
    "CREATE INDEX ix_posts_fts_document ON posts_fts USING gin (document)",
)
# PostgreSQL assigns an id when a row is inserted and shows it when its transaction commits. A reader that continues after the
# last id it saw would never see a smaller id that commits later. So each transaction takes an advisory lock (0x626C6F67, the one
# of all writers) before it takes an id, and holds it until its rows are visible.
#
# A sequence is not rolled back. Here the next id follows the last committed one, and no id is used twice: a gap in the log means
# that rows were lost, as on SQLite.
_POSTGRESQL_EVENT_ORDER = (
    """
    CREATE FUNCTION events_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last bigint;
    BEGIN
        IF TG_WHEN = 'AFTER' THEN
            INSERT INTO app_metadata SELECT 'event_last', max(id) FROM events HAVING max(id) IS NOT NULL
                ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value;
            RETURN NULL;
        END IF;
        PERFORM pg_advisory_xact_lock(1651273575);
        PERFORM pg_notify('blog_events', '');
        last := greatest((SELECT value::bigint FROM app_metadata WHERE name = 'event_last'), (SELECT max(id) FROM events));
        PERFORM setval(pg_get_serial_sequence('events', 'id'), coalesce(last, 1), last IS NOT NULL);
        RETURN NULL;
    END
    $$
    """,
    "CREATE TRIGGER events_before BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION events_in_order()",
    "CREATE TRIGGER events_after AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION events_in_order()",
)


def create_statements(dialect: str) -> Iterator[str]:
    """Yield the statements that complete the tables on `sqlite` or `postgresql`."""
    is_postgresql = dialect == "postgresql"
    yield from EXPRESSION_INDEXES.values()
    yield from (*_POSTGRESQL_FULLTEXT, *_POSTGRESQL_EVENT_ORDER) if is_postgresql else (_SQLITE_FULLTEXT,)
    for table, column in _LINK_TABLES:
        for trigger in _POSTGRESQL_LINK_TRIGGERS if is_postgresql else _SQLITE_LINK_TRIGGERS:
            yield trigger.replace("{table}", table).replace("{column}", column)


def drop_statements(dialect: str) -> Iterator[str]:
    """Yield the statements that remove the full-text index and the triggers."""
    yield "DROP TABLE posts_fts"
    if dialect != "postgresql":
        for table, _ in _LINK_TABLES:
            yield f"DROP TRIGGER {table}_listed"
            yield f"DROP TRIGGER posts_{table}_listed"
        return
    yield "DROP FUNCTION events_in_order() CASCADE"
    for table, _ in _LINK_TABLES:
        yield f"DROP FUNCTION {table}_link_listed() CASCADE"
        yield f"DROP FUNCTION {table}_post_listed() CASCADE"
