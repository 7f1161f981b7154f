"""The command `blog`, as in a terminal."""

import contextlib
import json
import re
import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.support.serving import blog, free_port, run_sql, serving, wait_for_line, wait_until_up

PASSWORD = "a long enough one"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_migrate_creates_the_database_and_then_changes_nothing(home: Path) -> None:
    first, second = blog(home, "migrate"), blog(home, "migrate")
    assert first.returncode == 0
    assert re.fullmatch(r"Migrations applied: 0001.*\n", first.stdout)
    assert (second.returncode, second.stdout) == (0, "The database is up to date.\n")


def test_accounts_and_tokens_from_a_fresh_folder(home: Path) -> None:
    made = blog(home, "user", "create", "ada", "ada@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    assert (made.returncode, made.stdout) == (0, "Created ada with the role owner.\n")
    token = blog(home, "token", "create", "ADA", "--scope", "posts:write", "--scope", "admin")
    assert token.returncode == 0
    assert re.fullmatch(r"[\w.-]{60,}\n", token.stdout), "the token alone"
    invited = blog(home, "user", "create", "bob", "bob@example.org")
    assert (invited.returncode, invited.stdout) == (0, "Created bob with the role reader.\n")
    assert blog(home, "user", "role", "bob", "editor").stdout == "bob now has the role editor.\n"
    link = blog(home, "user", "invite", "bob")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/set-password/\S+\n", link.stdout)
    changed = blog(home, "user", "password", "bob", stdin="another long one\n")
    assert changed.returncode == 0


def test_address_is_invited_with_a_link_or_by_email(home: Path) -> None:
    assert "has no owner yet" in blog(home, "user", "invite", "mary@example.org").stderr
    blog(home, "user", "create", "ora", "ora@example.org", "--role", "owner")
    link = blog(home, "user", "invite", "mary@example.org", "--role", "editor", "--days", "2")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/invitation/\S+\n", link.stdout)
    assert "There is an open invitation for this address" in blog(home, "user", "invite", "Mary@example.org").stderr
    assert "ora has an account with this address" in blog(home, "user", "invite", "ora@example.org").stderr
    assert "give an e-mail address" in blog(home, "user", "invite", "ora", "--role", "editor").stderr
    mail = {"SMTP_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "blog@example.org"}
    sent = blog(home, "user", "invite", "eve@example.org", **mail)
    assert (sent.returncode, sent.stdout) == (0, "The running blog sends the invitation to eve@example.org.\n")


def test_accounts_are_listed_as_lines_and_as_json(home: Path) -> None:
    for name, role in (("ora", "owner"), ("ada", "author")):
        blog(home, "user", "create", name, f"{name}@example.org", "--role", role)
    blog(home, "user", "suspend", "ada")
    assert blog(home, "user", "list").stdout == "ada\tauthor\tsuspended\t0\t0\tnever\nora\towner\tactive\t0\t0\tnever\n"
    (entry,) = json.loads(blog(home, "user", "list", "--json", "--role", "owner").stdout)
    assert (entry["username"], entry["email"], entry["suspended_at"]) == ("ora", "ora@example.org", None)
    assert blog(home, "user", "list", "--json", "--search", "nobody").stdout == "[]\n"


def test_account_is_deleted_with_a_choice(home: Path) -> None:
    for name, role in (("ora", "owner"), ("ada", "author")):
        blog(home, "user", "create", name, f"{name}@example.org", "--role", role)
    unsure = blog(home, "user", "delete", "ada", "--posts", "transfer", "--to", "ora", stdin="n\n")
    assert unsure.returncode == 1
    assert "use --to and --posts transfer together" in blog(home, "user", "delete", "ada", "--to", "ora", "--yes").stderr
    done = blog(home, "user", "delete", "ada", "--posts", "transfer", "--to", "ora", "--comments", "remove", "--yes")
    assert (done.returncode, done.stdout) == (0, "Deleted the account ada.\n")
    assert "ada" not in blog(home, "user", "list").stdout
    assert "This is the only owner" in blog(home, "user", "delete", "ora", "--yes").stderr


def test_account_is_suspended_and_reinstated(home: Path) -> None:
    for name, role in (("ora", "owner"), ("ada", "author")):
        blog(home, "user", "create", name, f"{name}@example.org", "--role", role)
    done = blog(home, "user", "suspend", "ADA", "--hold-comments")
    assert (done.returncode, done.stdout) == (0, "Suspended ada and ended all sessions and tokens.\n")
    assert blog(home, "user", "unsuspend", "ada").stdout == "ada is not suspended.\n"
    refused = blog(home, "user", "suspend", "ora")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "blog: This is the only owner. Make another account an owner first.\n"


def test_comments_of_a_guest_are_erased_after_a_question(folder: Path) -> None:
    assert blog(folder, "user", "erase-guest", "mary@example.org", stdin="n\n").returncode == 1
    assert blog(folder, "user", "erase-guest", "mary@example.org", "--yes").stdout == "Erased 0 comments.\n"


def test_lost_second_factor_can_be_disabled(folder: Path) -> None:
    blog(folder, "user", "create", "ada", "ada@example.org")
    assert "Two-factor authentication is off for this account" in blog(folder, "user", "disable-2fa", "ada").stderr
    with contextlib.closing(sqlite3.connect(folder / "blog.db")) as database, database:
        database.execute("INSERT INTO two_factor VALUES (1, 'JBSWY3DP', 0, 0, NULL, '2026-01-01', '2026-01-01')")
    done = blog(folder, "user", "disable-2fa", "ada")
    assert (done.returncode, done.stdout) == (0, "ada can sign in with the password alone.\n")


def test_sessions_of_one_user_or_all_users_are_revoked(folder: Path) -> None:
    for name in ("ada", "bob"):
        blog(folder, "user", "create", name, f"{name}@example.org")
    with contextlib.closing(sqlite3.connect(folder / "blog.db")) as database, database:
        rows = [("a1", 1), ("a2", 1), ("b1", 2)]
        database.executemany("INSERT INTO sessions VALUES (?, ?, '', '2026-01-01', '2026-01-01', '2999-01-01', NULL)", rows)
    assert blog(folder, "user", "revoke-sessions", "ada").stdout == "Sessions revoked: 2\n"
    assert blog(folder, "user", "revoke-sessions", "--all").stdout == "Sessions revoked: 1\n"
    for wrong in ((), ("ada", "--all")):
        refused = blog(folder, "user", "revoke-sessions", *wrong)
        assert (refused.returncode, "name one account, or --all" in refused.stderr) == (2, True)
    with contextlib.closing(sqlite3.connect(folder / "blog.db")) as database:
        found = database.execute("SELECT subject_id FROM audit_log WHERE action = 'sessions_revoked' ORDER BY id").fetchall()
    assert found == [(1,), (None,)]


def test_common_password_is_refused_by_the_command(folder: Path) -> None:
    blog(folder, "user", "create", "ada", "ada@example.org")
    refused = blog(folder, "user", "password", "ada", stdin="iloveyou")
    assert refused.returncode == 1
    assert "too common" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["user", "create", "a", "ada@example.org"], "username"),
        (["user", "create", "ada", "nonsense"], "email"),
        (["user", "create", "ada", "ada@example.org", "--password-stdin"], "8 to 256"),
        (["user", "invite", "nobody"], 'No user named "nobody"'),
        (["user", "disable-2fa", "nobody"], 'No user named "nobody"'),
        (["token", "create", "nobody"], 'No user named "nobody"'),
        (["import", "markdown", "nowhere"], "does not exist"),
        (["serve", "--port", "99999"], "99999"),
        (["serve", "--host", "192.0.2.1"], "blog: cannot listen on port 8000 of 192.0.2.1: "),
        (["serve", "--host", "nowhere.invalid"], "blog: cannot listen on port 8000 of nowhere.invalid: "),
        (["fly"], "No such command"),
    ],
)
def test_errors_are_one_line_on_standard_error(folder: Path, arguments: list[str], words: str) -> None:
    result = blog(folder, *arguments)
    assert result.returncode != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["serve"], ["serve", "--workers", "2"], ["serve", "--demo"], ["dev"]])
def test_port_in_use_is_named_in_one_line(folder: Path, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = blog(folder, *command, "--port", str(port))
    reason = f"port {port} on 127.0.0.1 is in use: stop the other program, or choose another port with --port"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"blog: {reason}\n")
    assert list(folder.iterdir()) == [], "nothing was created"


def test_all_invalid_settings_are_reported(folder: Path) -> None:
    result = blog(folder, "migrate", PUBLIC_URL="nonsense", SESSION_IDLE_DAYS="0")
    assert result.returncode != 0
    assert "PUBLIC_URL" in result.stderr
    assert "SESSION_IDLE_DAYS" in result.stderr
    assert "Traceback" not in result.stderr


def test_taken_name_and_last_owner_are_refused(folder: Path) -> None:
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner")
    again = blog(folder, "user", "create", "Ada", "other@example.org")
    assert (again.returncode, "taken" in again.stderr) == (1, True)
    alone = blog(folder, "user", "role", "ada", "reader")
    assert (alone.returncode, "only owner" in alone.stderr) == (1, True)


def test_check_finds_no_fault_in_a_sound_blog_and_reports_damage(folder: Path) -> None:
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner")
    assert blog(folder, "check").stdout == "No problems found.\n"
    connection = sqlite3.connect(folder / "blog.db")
    connection.execute("INSERT INTO post_slugs VALUES ('lost', 99)")
    connection.commit()
    connection.close()
    found = blog(folder, "check")
    assert found.returncode == 1
    assert "A row of post_slugs refers to a missing row of posts" in found.stderr


def test_check_reports_missing_migrations(home: Path) -> None:
    blog(home, "migrate")
    run_sql(home, "DELETE FROM alembic_version")
    result = blog(home, "check")
    assert (result.returncode, "blog migrate" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("migrate",), ("check",), ("user", "create", "ada", "a@example.org")]
)
def test_unknown_schema_revision_is_refused_in_one_line(home: Path, command: tuple[str, ...]) -> None:
    blog(home, "migrate")
    run_sql(home, "UPDATE alembic_version SET version_num = '0007'")
    refused = blog(home, *command)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(
        r"blog: The database \S+ has schema revision 0007, but version \S+ of the blog knows only 0001(, \d{4})*: install the "
        r"version that created it, or export its posts there and import them here\n",
        refused.stderr,
    )
    assert run_sql(home, "SELECT version_num FROM alembic_version") == [("0007",)]


def test_copy_of_a_database_with_an_unknown_schema_revision_is_refused(folder: Path) -> None:
    blog(folder, "migrate")
    run_sql(folder, "UPDATE alembic_version SET version_num = '0007'")
    for source, target in (("blog.db", "new.db"), ("new.db", "blog.db")):
        refused = blog(folder, "copy-database", "--from", f"sqlite:///{source}", "--to", f"sqlite:///{target}")
        assert refused.returncode == 1
        assert re.search(r"blog\.db has schema revision 0007.*install the version.*\n\Z", refused.stderr)
        blog(folder, "migrate", DATABASE_URL="sqlite:///new.db")


def test_flag_is_shown_and_changed(home: Path) -> None:
    assert blog(home, "flag").stdout == "registration is on\ncomments is on\nlive is on\nuploads is on\n"
    assert blog(home, "flag", "comments", "off").stdout == "comments is off\n"
    assert blog(home, "flag", "comments").stdout == "comments is off\n"
    assert "gravity" in blog(home, "flag", "gravity", "off").stderr


def test_url_in_dotenv_is_used(folder: Path) -> None:
    (folder / ".env").write_text("PUBLIC_URL=https://blog.example.org\n")
    with serving(folder, free_port()) as (server, log):
        assert wait_for_line(log, server, r"(https?://\S+)/setup/") == "https://blog.example.org"


def test_routes_lists_every_route(folder: Path) -> None:
    lines = blog(folder, "routes").stdout.splitlines()
    rows = {line.split()[-1]: line for line in lines}
    assert "/api/v1/posts/{id:id}" in rows["api:post"]
    assert "GET HEAD PUT PATCH DELETE" in rows["api:post"]
    assert rows["live"].startswith("WebSocket")
    assert "/posts/{slug}" in rows["web:post"]


def test_import_ends_with_totals_and_rejected_files(home: Path) -> None:
    posts = home / "site" / "_posts"
    posts.mkdir(parents=True)
    (posts / "2020-01-02-good.md").write_text("---\ntitle: Good\nauthor: Ada\n---\nText\n")
    (posts / "2020-01-03-bad.md").write_text("---\ntitle: [Bad\n---\nText\n")
    blog(home, "user", "create", "owner", "owner@example.org", "--role", "owner")
    dry = blog(home, "import", "markdown", "site", "--dry-run")
    assert json.loads(dry.stdout.splitlines()[-1])["posts"] == 1
    assert run_sql(home, "SELECT count(*) FROM posts") == [(0,)]
    result = blog(home, "import", "markdown", "site")
    assert result.returncode == 1, "not all was done"
    totals = json.loads(result.stdout.splitlines()[-1])
    assert (totals["posts"], totals["authors"], totals["refused"], totals["unchanged"]) == (1, 1, 1, 0)
    assert re.search(r"2020-01-03-bad\.md:\d+: ", result.stderr)
    again = json.loads(blog(home, "import", "markdown", "site").stdout.splitlines()[-1])
    assert (again["posts"], again["unchanged"]) == (1, 1)


def test_serve_creates_a_blog_with_a_setup_link(home: Path) -> None:
    port = free_port()
    with serving(home, port) as (server, log):
        link = wait_for_line(log, server, r"(http://127\.0\.0\.1:\d+/setup/\S+)")
        wait_until_up(port, server)
        page = httpx.get(link)
        assert page.status_code == 200
        assert "owner" in page.text
        answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/posts")
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})
        assert "server" not in answer.headers
    assert server.returncode in (0, -signal.SIGTERM)
    assert run_sql(home, "SELECT count(*) FROM app_metadata") == [(1,)]
    assert re.search(r"^Database: (/\S+/blog\.db|postgresql://\S*/blog_\w+)$", log.read_text(), re.MULTILINE)
    assert "Traceback" not in log.read_text()


def test_demo_serves_posts_from_a_temporary_folder(folder: Path) -> None:
    port = free_port()
    with serving(folder, port, "--demo") as (server, _log):
        wait_until_up(port, server)
        titles = [item["title"] for item in httpx.get(f"http://127.0.0.1:{port}/api/v1/posts").json()["items"]]
        assert titles == ["Welcome", "Code and tables"]
    assert [path.name for path in folder.iterdir() if path.name != "log"] == []
