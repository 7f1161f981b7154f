"""The number of words and the reading time: scripts without spaces, and the same numbers in the editor."""

import random
import time

import pytest
from playwright.sync_api import Browser

from blog.text.word_count import count_words, reading_minutes
from tests.support.lines import ROOT

SCRIPT = ROOT / "static/js/editor/word-count.js"
PARTS = [
    "a", "é", "e\u0301", "[", "]", "(", ")", "<", "b>", "</", "```", "~~~", "中", "日", "カ", "ー", "ก", "ไ", "า", "ລ", "ក",
    "—", "…", "|", "don't", "-", "_", "*", "&", "1", "²", "٣", "हिन्दी", "한국", "😀", "\u200b", "^", "!", "x.y",
    "https://x.org/", "$", "$$", "$x$", "{#a}", "\n*[a]: ", "\n\n",
    "<!--", "-->", " ", "\n", "\t", "> ", "# ", "\u00a0", "\u3000", "\u0085", "\x1c",
]  # fmt: skip


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("", 0),
        ("One two", 2),
        ("Well-known, don't — and/or… more", 4),
        ("one—two", 2),
        ("& * - 😀", 0),
        ('# Title\n\nSome *text*, [a link](https://x.org/a_(b) "title") and ![an image](x.png).', 8),
        ("```python\nx = 1\n```", 2),
        ('<p class="a b c">x y</p> <!-- hidden -->', 2),
        ("5 < 6 and 7 > 2", 5),
        ("Note[^1].\n\n[^1]: The text.\n\n[name]: https://example.org", 3),
        ("| a | b |\n|---|---|\n| c | d |", 4),
        ("So $a + b = c$, and:\n\n$$\n\\frac{a}{b}\n$$\n\nfor $5 and $6.", 6),
        ("## The title {#the-id}\n\n> [!NOTE]\n> ==Some== H~2~O\n\n*[CSS]: Cascading Style Sheets", 5),
        ("한국어 문장입니다", 2),
        ("हिन्दी में लिखा", 3),
        ("中" * 6240, 3120),
        ("日本語のテキスト。", 4),
        ("ภาษาไทย" * 5, 7),
        ("ພາສາລາວ" * 5, 7),
        ("ភាសាខ្មែរ" * 5, 9),
        ("在 Python 3 中", 3),
    ],
)
def test_words_are_counted_as_read(markdown: str, words: int) -> None:
    assert count_words(markdown) == words


@pytest.mark.parametrize(("words", "minutes"), [(0, 1), (1, 1), (344, 1), (345, 2), (575, 3), (805, 4), (3120, 14)])
def test_reading_time_is_rounded_half_up(words: int, minutes: int) -> None:
    assert reading_minutes(words) == minutes


def test_editor_counts_the_same_words(browser: Browser) -> None:
    chooser = random.Random(1)  # noqa: S311 (not a secret)
    texts = ["".join(chooser.choices(PARTS, k=chooser.randint(1, 40))) for _ in range(5000)]
    numbers = list(range(0, 5000, 5))
    page = browser.new_page()
    counted, minutes = page.evaluate(
        """async ([source, texts, numbers]) => {
          const { countWords, readingMinutes } = await import("data:text/javascript;base64," + btoa(source));
          return [texts.map(countWords), numbers.map(readingMinutes)];
        }""",
        [SCRIPT.read_text("ascii"), texts, numbers],
    )
    assert counted == [count_words(text) for text in texts]
    assert minutes == [reading_minutes(number) for number in numbers]


@pytest.mark.parametrize("part", ["](", "<a", "<!--", "[^", "](a(b)", "\n[", "中", "]((", "$", "$a", "$$\n", "a$", " {#"])
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        count_words(part * count)
        return time.process_time() - started

    assert seconds(100_000) < 30 * max(seconds(20_000), 0.005)
