"""Names of uploaded files."""

import pytest

from blog.text.file_names import MAX_FILE_NAME, clean_file_name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("beach at dusk.jpg", "beach at dusk.jpg"),
        ("../../../etc/passwd", "passwd"),
        (r"C:\Users\ada\Pictures\é.png", "é.png"),
        ("e\u0301.png", "é.png"),
        ("a\0b\r\nc.png", "abc.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\ud800.png", "png"),
        (".htaccess", "htaccess"),
        ("..", ""),
        ("", ""),
        ("a" * 300 + ".jpeg", "a" * (MAX_FILE_NAME - 5) + ".jpeg"),
    ],
)
def test_name_is_one_visible_line_without_a_path(name: str, cleaned: str) -> None:
    assert clean_file_name(name) == cleaned
    assert clean_file_name(cleaned) == cleaned
