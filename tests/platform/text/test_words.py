import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.platform.text import Word, content_words, without_words


def keys(text: str) -> list[str]:
    return [word.key for word in content_words(text)]


def test_function_words_are_left_out() -> None:
    assert keys("How long is the warranty on a hub?") == ["long", "warran", "hub"]
    assert keys("Wie lange gilt die Garantie für das Gerät?") == ["lange", "gilt", "garant", "gerät"]


def test_forms_of_a_word_have_one_key() -> None:
    assert keys("returns") == keys("Returned") == keys("returning")
    assert keys("Apple's") == keys("Apple’s") == keys("apple")


def test_numbers_are_equal_however_they_are_grouped_or_written() -> None:
    assert keys("82,959 dollars") == keys("82959 dollars")
    assert keys("two years") == keys("2 years")
    assert keys("zwei Jahre") == keys("2 Jahre")


def test_kinds_tell_names_and_numbers_from_words() -> None:
    assert content_words("Does the Plover 4 float?") == (
        Word("plover", "name"),
        Word("4", "number"),
        Word("float", "word"),
    )
    assert content_words("Plover stations")[0].kind == "word"


def test_chinese_is_read_in_pairs_of_signs() -> None:
    assert keys("黑豹队的防守") == ["黑豹", "豹队", "防守"]
    assert keys("在 24 次") == ["24", "次"]


@pytest.mark.parametrize("text", ["", " \n", "...", "the of and"])
def test_text_without_content_has_no_words(text: str) -> None:
    assert content_words(text) == ()


@given(st.text(max_size=80))
def test_words_are_never_empty(text: str) -> None:
    assert all(word.key.strip() for word in content_words(text))


def test_words_can_be_taken_out_of_a_text() -> None:
    assert without_words("What colour is the Plover's case?", {"colour", "plover"}) == "What is the case?"
    assert without_words("What is the case?", {"what", "mast"}) == "What is the case?"
    assert without_words("", {"mast"}) == ""
