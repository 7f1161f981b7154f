"""Words that are written in several ways: which of them a search finds, on both databases, and what it costs at most."""

import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

from blog.db import fulltext, search_query, tokenizer
from blog.db.database import Database
from blog.db.snippets import build_snippet
from blog.db.sqlite import fulltext as sqlite_fulltext
from tests.db.test_fulltext import found, passage, put, words
from tests.support.snippets import snippets_of

FINDS = {
    "vowel signs": [("काम", "काम"), ("कामना", "काम"), ("কোমল", "কোমল"), ("தமிழ்", "தமிழ்"), ("ज़्यादा", "ज्यादा"), ("हँसना", "हंसना")],
    "words inside a run": [
        ("ฉันชอบกินปลาทู", "ปลา"), ("ฉันชอบกินปลาทู", "ชอบกิน"), ("ຂ້ອຍຮຽນພາສາລາວ", "ພາສາ"), ("ខ្ញុំរៀនភាសាខ្មែរ", "ភាសា"),
        ("မြန်မာစာ", "မာစာ"), ("東京で書かれた", "書か"),
    ],
    "letters": [
        ("Straße", "strasse"), ("STRASSE", "straße"), ("Đà Nẵng", "da nang"), ("Da Nang", "đà nẵng"), ("ёлка", "елка"),
        ("елка", "ёлка"), ("Łódź", "lodz"), ("smørrebrød", "smorrebrod"), ("Æsop", "aesop"), ("İstanbul", "istanbul"),
        ("ışık", "isik"), ("Ὀδυσσεύς", "οδυσσευς"), ("ΟΔΟΣ", "οδός"), ("за́мок", "замок"), ("naïve", "naive"),
        ("nai\u0308ve", "naïve"),
    ],
    "optional marks": [
        ("مُحَمَّد", "محمد"), ("محمد", "مُحَمَّد"), ("أحمد", "احمد"), ("العـــربية", "العربية"), ("یک کتاب", "يك كتاب"),
        ("שָׁלוֹם", "שלום"), ("שלום", "שָׁלוֹם"),
    ],
    "width and digits": [
        ("ＡＢＣ１２３", "abc123"), ("abc123", "ＡＢＣ１２３"), ("ﾃﾞｰﾀ", "データ"), ("データ", "ﾃﾞｰﾀ"), ("٢٠٢٤", "2024"),
        ("ﬁne", "fine"),
    ],
    "symbols": [
        ("C++ and C#", "c++"), ("C++20", "C++"), ("C++ and C#", "C#"), (".NET Core", ".net"), ("ASP.NET Core", ".NET"),
        (".NET Core", "net"), ("Ｃ＋＋", "c++"), ("Use notepad++.", "notepad++"), (".gitignore", "gitignore"),
    ],
    "one word or two": [
        ("don't", "dont"), ("dont", "don't"), ("don’t", "don't"), ("e-mail", "email"), ("email", "e-mail"), ("e-mails", "email"),
        ("e‑mail", "e-mail"), ("e-mail", "mail"), ("l'amour", "amour"), ("well-known", "well known"), ("node.js", "nodejs"),
        ("nodejs", "node.js"), ("the U.S. army", "us"), ("комп'ютер", "компʼютер"), ("می‌روم", "میروم"), ("so\u00adft", "soft"),
        ("the dog's tail", "dog"),
    ],
    "emoji": [
        ("🎉 party", "🎉"), ("👍🏽", "👍"), ("👍", "👍🏽"), ("I ❤️ it", "❤"), ("👩‍💻", "💻"), ("🇩🇪🇫🇷", "🇫🇷"), ("1️⃣ first", "1"),
        ("yes👍no", "no"),
    ],
}  # fmt: skip
LACKS = {
    "vowel signs": [("कोमल", "काम"), ("कि", "कु "), ("தமிழ்", "தமழ "), ("ক্ষ", "ক ")],
    "words inside a run": [("ฉันชอบกินปลาทู", "ลาปทู"), ("ພາສາລາວ", "ສາພາ"), ("プログラム", "ムログ")],
    "letters": [("мой", "мои "), ("їжак", "іжак"), ("が", "か "), ("Straße", "strase")],
    "optional marks": [("محمد", "احمد"), ("שלום", "שלם")],
    "symbols": [("C and C#", "c++"), ("C++", "C#"), ("the net", ".net"), ("A#b issue#5", "a#"), ("The end...net", ".net")],
    "one word or two": [("1-2", "12 "), ("e mail", "email"), ("mail", "e-mail"), ("Das geht", "dont")],
    "emoji": [("🎉", "👍"), ("🇩🇪", "🇫🇷"), ("party", "🎉")],
}  # fmt: skip


@pytest.mark.parametrize("kind", FINDS)
async def test_spellings_that_match(db: Database, kind: str) -> None:
    await put(db, 1, title="Another", tags="", body="text")
    for number, (text, query) in enumerate(FINDS[kind]):
        await put(db, 2, title="", tags="", body=f"Before, {text} after.")
        assert await found(db, query) == [2], (number, text, query)
        assert await found(db, f"before {query}") == [2], (number, text, query)


@pytest.mark.parametrize("kind", LACKS)
async def test_spellings_that_do_not_match(db: Database, kind: str) -> None:
    for number, (text, query) in enumerate(LACKS[kind]):
        await put(db, 2, title=text, tags=text, body=text)
        assert await found(db, query) == [], (number, text, query)


@pytest.mark.parametrize("text", ["e-mail", "C++", "don't", "Đà", "ปลา", "👍", "काम", "مُحَمَّد"])
async def test_title_and_tags_are_found_in_the_same_way(db: Database, text: str) -> None:
    await put(db, 1, title=text, tags="", body="")
    await put(db, 2, title="", tags=text, body="")
    assert await found(db, text) == [1, 2], "the title counts more"


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Send an e-mail now", "email", ["e-mail"]), ("Send an email now", "e-mail", ["email"]),
        ("I don’t know", "dont", ["don’t"]),
        ("Learn C, C# and C++ now", "c++", ["C++"]), ("Learn C and C# now", "C#", ["C#"]), ("Use ASP.NET now", ".net", [".NET"]),
        ("Die Straße dort", "strasse", ["Straße"]), ("مُحَمَّد هنا", "محمد", ["مُحَمَّد"]), ("ฉันชอบกินปลาทู", "ปลา", ["ปลา"]),
        ("कोमल काम है", "काम", ["काम"]), ("yes 👍🏽 no", "👍", ["👍🏽"]), ("ﾃﾞｰﾀ を見る", "データ", ["ﾃﾞｰﾀ"]),
        ("ёлка", "елка", ["ёлка"]),
        ("well-known", "known", ["known"]), ("em ail", "email", []), ("Nodejs, or node.js", "node.js", ["Nodejs", "node.js"]),
    ],
)  # fmt: skip
async def test_hits_are_marked_as_they_were_written(db: Database, text: str, query: str, marked: list[str]) -> None:
    await put(db, 1, title=text, tags="", body=text)
    snippet = (await snippets_of(db, query, [1]))[1]
    assert [span.text for span in snippet.title if span.is_hit] == marked
    assert [span.text for span in snippet.text if span.is_hit] == marked
    assert "".join(span.text for span in snippet.text) == text


@configured(deadline=None)
@given(text=st.text(max_size=80), query=st.text(max_size=20))
def test_snippet_of_a_short_text_is_the_text(text: str, query: str) -> None:
    text = text.replace(tokenizer.WORD_START, " ")
    entry = fulltext.expected_entry(text, "", fulltext.index_text(text))
    if len(words(text)) <= 40:
        snippet = build_snippet(entry.title, entry.body, entry.body_words, search_query.parse_terms(query))
        assert "".join(span.text for span in snippet.text) == entry.body.replace(tokenizer.WORD_START, "")
        assert "".join(span.text for span in snippet.title) == entry.title


@configured(deadline=None)
@given(text=st.text(max_size=80))
def test_word_of_a_text_finds_the_text(text: str) -> None:
    indexed_words = fulltext.index_text(text).words.split()
    for term in search_query.parse_terms(text):
        for word in (*term.words, *term.symbols):
            assert word in indexed_words


def test_fts5_takes_each_word_as_it_is() -> None:
    """Otherwise the words of a query would be other ones than those of the index."""
    samples = [
        f"a{chr(code)}b {chr(code)}" for code in (*range(0x20, 0xD800), *range(0x1F000, 0x20000)) if chr(code).isprintable()
    ]
    expected = {word for text in samples for word in words(text)} | {"c++", "c#", ".net", "|"}
    connection = sqlite3.connect(":memory:")
    connection.execute(sqlite_fulltext.CREATE_TABLE_SQL)
    connection.execute("CREATE VIRTUAL TABLE words USING fts5vocab(posts_fts, 'row')")
    connection.execute("INSERT INTO posts_fts (body_words) VALUES (?)", (" ".join(expected),))
    stored = {term for (term,) in connection.execute("SELECT term FROM words")}
    connection.close()
    assert stored == expected


# The cost of hostile texts and queries

HOSTILE = {
    "one word": "a " * 125_000, "two words": "a b " * 62_000, "compounds": "e-mail " * 37_000, "symbols": "c++ " * 62_000,
    "ideographs": "の" * 87_000, "one long word": "a" * 250_000, "connected": "a-" * 125_000, "emoji": "👍" * 62_000,
    "marks": "a" + "\u0301" * 120_000,
}  # fmt: skip
QUERIES = ["a", '"a a a a a a a a"', "a b a b a b", "email e-mail", "c++", "の" * 100, "a" * 200, "👍", "a-a-a-a-a-a-a-a"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_snippet_of_hostile_text_takes_little_time(kind: str) -> None:
    """Quadratic work would take minutes. FTS5's snippet() took more than 300 s for `one word`."""
    entry = fulltext.expected_entry("Title", "", fulltext.index_text(HOSTILE[kind]))
    for query in QUERIES:
        started = time.process_time()
        build_snippet(entry.title, entry.body, entry.body_words, search_query.parse_terms(query))
        assert time.process_time() - started < 2, query


async def test_posts_of_one_common_word_are_found_and_cut(db: Database) -> None:
    for number in range(1, 5):
        await put(db, number, title="Long", tags="", body="a " * 125_000 + "needle")
    for query in ("a", '"' + "a " * 90 + '"'):
        assert set(await found(db, query)) == {1, 2, 3, 4}
        snippets = await snippets_of(db, query, [1, 2, 3, 4])
        assert all(len("".join(span.text for span in one.text).split()) == 40 for one in snippets.values())
    assert (await passage(db, "needle", 1))[0] == ["needle"], "also at the end of a long text"


def test_repeated_word_of_a_query_is_cut() -> None:
    (term,) = search_query.parse_terms('"a b a b a b a b a b"')
    assert term.words == ("a", "b", "a", "b", "a", "b")
    assert search_query.parse_terms("a a a a a") == search_query.parse_terms("a a a ")
