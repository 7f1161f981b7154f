"""Front matter: formats, delimiters, and errors with their line. Dates."""

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.import_export.markdown import dates, front_matter
from blog.import_export.markdown.front_matter import Document, FrontMatterError, FrontMatterKind


@pytest.mark.parametrize(
    ("text", "kind", "values", "body"),
    [
        ("---\ntitle: A\n---\nText\n", FrontMatterKind.YAML, {"title": "A"}, "Text\n"),
        ("---  \ntitle: A\n---\t\nText", FrontMatterKind.YAML, {"title": "A"}, "Text"),
        ("---\ntitle: A\n...\n\nText", FrontMatterKind.YAML, {"title": "A"}, "\nText"),
        ("---\n---\nText", FrontMatterKind.YAML, {}, "Text"),
        ("---\n# nothing but a comment\n---\nText", FrontMatterKind.YAML, {}, "Text"),
        ("---\ntitle: A\n---", FrontMatterKind.YAML, {"title": "A"}, ""),
        ('+++\ntitle = "A"\n+++\nText\n', FrontMatterKind.TOML, {"title": "A"}, "Text\n"),
        ("+++\n+++\n", FrontMatterKind.TOML, {}, ""),
        ("No front matter\n---\n", FrontMatterKind.NONE, {}, "No front matter\n---\n"),
        ("---\n\nA rule, then text.\n", FrontMatterKind.NONE, {}, "---\n\nA rule, then text.\n"),
        ("", FrontMatterKind.NONE, {}, ""),
        ("---\ntitle: a --- b\n---\n---\nrule above", FrontMatterKind.YAML, {"title": "a --- b"}, "---\nrule above"),
    ],
)
def test_front_matter_is_split_from_the_body(text: str, kind: FrontMatterKind, values: dict[str, object], body: str) -> None:
    document = front_matter.split(text)
    assert (document.kind, document.values, document.body) == (kind, values, body)


def test_yaml_scalars_stay_as_written() -> None:
    document = front_matter.split("---\na: 3.10\nb: no\nc: 2024-01-31\nd: 012\ne:\nf: ~\ng: [1_000, =, <<]\n---\n")
    assert document.values == {
        "a": "3.10", "b": "no", "c": "2024-01-31", "d": "012", "e": None, "f": None, "g": ["1_000", "=", "<<"],
    }  # fmt: skip


def test_trailing_tabs_are_accepted() -> None:
    document = front_matter.split("---\nauthors:\n- melody\t\t\ntitle: x \t\n---\n")
    assert document.values == {"authors": ["melody"], "title": "x"}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("---\ntitle: A\nb: [1\n---\n", 4, "YAML"),
        ("---\ntitle: a: b\n---\n", 2, "mapping values are not allowed"),
        ("---\na: 1\nb: \x01\n---\n", 3, "U+0001"),
        ("---\na: !!python/object:os.system x\n---\n", 2, "could not determine a constructor"),
        ("---\na: !!int x\n---\n", 2, "type"),
        ("---\na: &x [*x]\n? *x\n: 1\n---\n", 2, "unhashable key"),
        ("---\njust a sentence\n---\n", 2, "name: value"),
        ("---\n- a\n- b\n---\n", 2, "name: value"),
        ("---\ntitle: never closed\n\nText\n", 1, "no end"),
        ('+++\ntitle = "A"\nb = \n+++\n', 3, "TOML: Invalid value"),
        ("+++\na = 1\na = 2\n+++\n", 3, "TOML: Cannot overwrite"),
        ("+++\na = 2024-02-30\n+++\n", 2, "TOML"),
        ("---\na: " + "[" * 20_000 + "\n---\n", 2, "nested too deeply"),
        ("+++\na = " + "[" * 20_000 + "\n+++\n", 2, "TOML"),
        ("---\na: " + "x" * front_matter.MAX_LENGTH + "\n---\n", 1, "longer than"),
    ],
)
def test_errors_have_a_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(FrontMatterError) as caught:
        front_matter.split(text)
    assert caught.value.line == line
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason


def test_merge_keys_do_not_grow_exponentially() -> None:
    levels = "".join(f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
    values = front_matter.split(f"---\nl0: &l0 {{x: 1}}\n{levels}---\n").values
    assert len(values) == 12


def test_line_number_of_a_key() -> None:
    document = front_matter.split('---\ntitle: x\n"date": y\nnested:\n  tags: z\n---\n')
    assert [document.line_number(key) for key in ("title", "date", "nested", "absent")] == [2, 3, 4, 1]


_FENCES = st.sampled_from([("---\n", "---\n"), ("---\n", "...\n"), ("+++\n", "+++\n")])
_INSIDE = st.one_of(
    st.text(),
    st.lists(st.sampled_from(list("ab:-?[]{}&*!|>'\"%@#, \t\n=.1~<")), max_size=60).map("".join),
    st.lists(
        st.sampled_from(["!!int ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!pairs ", "!!float ", "!!bool ", "!!map "])
        | st.sampled_from(
            ["a: ", "- ", "x", "\n", "? ", "[", "]", "{", "}", "&a ", "*a", "!!merge <<: ", "0x", "1e999", "9" * 5000]
        )
        | st.sampled_from(
            ["a=", '"', "'''", "[[a]]\n", "[a.b]\n", "2024-13-45", "12:00", "\\u0000", "inf", "\r", "\x85", "\u2028"]
        ),
        max_size=25,
    ).map("".join),
)


@given(fences=_FENCES, inside=_INSIDE, body=st.text(max_size=20))
@example(fences=("---\n", "---\n"), inside="a: !!timestamp x\n", body="")
@example(fences=("---\n", "---\n"), inside="a: !!int ''\n", body="")
@example(fences=("---\n", "---\n"), inside="!!bool x: y\n", body="")
@example(fences=("+++\n", "+++\n"), inside="a = " + "9" * 5000 + "\n", body="")
def test_any_text_parses_or_raises_an_error_with_a_line(fences: tuple[str, str], inside: str, body: str) -> None:
    text = f"{fences[0]}{inside}\n{fences[1]}{body}"
    outcome: Document | FrontMatterError
    try:
        outcome = front_matter.split(text)
    except FrontMatterError as error:
        outcome = error
    if isinstance(outcome, FrontMatterError):
        assert 1 <= outcome.line <= text.count("\n") + 1
        assert outcome.reason
    else:
        assert text.endswith(outcome.body)
        assert all(isinstance(key, str) for key in outcome.values)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-05-31", "2024-05-31T00:00:00+00:00"),
        ("2017-2-5", "2017-02-05T00:00:00+00:00"),
        ("2024/05/31", "2024-05-31T00:00:00+00:00"),
        ("2014-03-12T10:11:00-04:00", "2014-03-12T14:11:00+00:00"),
        ("2015-03-17 14:00:00 -4", "2015-03-17T18:00:00+00:00"),
        ("2009-12-25 10:41:06 +0000", "2009-12-25T10:41:06+00:00"),
        ("2024-05-29 9:00:00 +0900", "2024-05-29T00:00:00+00:00"),
        ("2022-07-10T04:35:30.295Z", "2022-07-10T04:35:30.295000+00:00"),
        ("2024-05-31 09:30", "2024-05-31T09:30:00+00:00"),
        ("2024-05-31 09:30:15 UTC", "2024-05-31T09:30:15+00:00"),
        (dt.date(2020, 2, 29), "2020-02-29T00:00:00+00:00"),
        (dt.datetime(2020, 2, 29, 1, 2), "2020-02-29T01:02:00+00:00"),  # noqa: DTZ001 (TOML's local date-time)
        (dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=9))), "2019-12-31T15:00:00+00:00"),
    ],
)
def test_dates_become_utc(written: object, expected: str) -> None:
    assert dates.parse(written).isoformat() == expected
    assert dates.parse(written).utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(
    "written",
    [
        "", "soon", "2024-13-01", "2024-02-30", "2024-05-31 25:00", "0001-01-01 00:00 +9", "9999-12-31 23:00 -9", 20240531,
        dt.time(9), None, "2024-05-31 09:30 +99:99", "2024-05-31x", "٢٠٢٤-٠٥-٣١", "0000-01-01",
    ],
)  # fmt: skip
def test_invalid_dates_raise_value_error(written: object) -> None:
    with pytest.raises(ValueError, match=r"date|range|must be|strictly"):
        dates.parse(written)
