import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.platform.text.sentences import UNIT_CHARS_MAX, split_units


def cut(text: str) -> list[str]:
    return [text[unit.start_char : unit.end_char] for unit in split_units(text) if unit.kind != "heading"]


def headings(text: str) -> list[str]:
    return [text[unit.start_char : unit.end_char] for unit in split_units(text) if unit.kind == "heading"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One thing. Another thing! A third?", ["One thing.", "Another thing!", "A third?"]),
        ("Dr. Smith met Mr. J. R. Jones. They spoke.", ["Dr. Smith met Mr. J. R. Jones.", "They spoke."]),
        (
            "It costs 3.50 a day, e.g. in U.S. dollars. Really.",
            ["It costs 3.50 a day, e.g. in U.S. dollars.", "Really."],
        ),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("Am 3. Oktober ist frei. Das gilt z. B. für alle.", ["Am 3. Oktober ist frei.", "Das gilt z. B. für alle."]),
        ("„Wir sind Bettler.“ Das schrieb er.", ["„Wir sind Bettler.“", "Das schrieb er."]),
        ("黑豹队只丢了308分。其中有24次拦截！是吗？", ["黑豹队只丢了308分。", "其中有24次拦截！", "是吗？"]),
        ("他说：“我来了。”然后走了。", ["他说：“我来了。”", "然后走了。"]),
        ("no capital. also none", ["no capital. also none"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_lines_broken_by_the_width_of_a_page_are_one_sentence() -> None:
    text = "The investment was subject to regulatory sales restrictions\nwhich expired in 2022. Next."
    assert cut(text) == ["The investment was subject to regulatory sales restrictions\nwhich expired in 2022.", "Next."]


def test_list_items_stand_alone_without_their_marks() -> None:
    text = "The kit contains:\n- a mast of 2 m\n* four bolts\n1. the station\n(b) a hub"
    assert cut(text) == ["a mast of 2 m", "four bolts", "the station", "a hub"]
    assert headings(text) == ["The kit contains:"]


@pytest.mark.parametrize(
    "text", ["# Warranty\n", "### 3. What it costs", "Interest Rate Risk\n\n", "Shipping and handling"]
)
def test_heading_is_no_sentence(text: str) -> None:
    assert cut(text) == []
    assert len(headings(text)) == 1


@pytest.mark.parametrize("text", ["Weight: 3 kg", "Room 12 is upstairs", "It works.", "- Free shipping"])
def test_fact_on_a_line_of_its_own_is_no_heading(text: str) -> None:
    assert headings(text) == []


def test_rows_stand_alone_and_the_head_of_a_table_is_a_heading() -> None:
    text = "| Plan | Window |\n|---|---|\n| Hobby | 14 days |\n| Grower | 30 days |\n"
    assert cut(text) == ["| Hobby | 14 days |", "| Grower | 30 days |"]
    assert headings(text) == ["| Plan | Window |"]


def test_head_of_a_labelled_table_is_a_heading() -> None:
    text = "Plan | Window\nPlan: Hobby | Window: 14 days\nPlan: Grower | Window: 30 days"
    assert cut(text) == ["Plan: Hobby | Window: 14 days", "Plan: Grower | Window: 30 days"]


def test_rows_of_a_printed_table_stand_alone() -> None:
    text = "Net income $ 24,160 $ 25,010\nWeighted-average shares 15,787,154 16,278,802\nApproved on April 1, 2023"
    assert cut(text) == text.splitlines()


def test_what_is_too_long_to_be_read_is_cut_at_a_comma() -> None:
    units = cut("First of all, " + "and so on, " * 200 + "the end.")
    assert len(units) > 3
    assert all(len(unit) <= UNIT_CHARS_MAX for unit in units)
    assert all(unit.endswith((",", ".")) for unit in units)


@given(st.text(st.sampled_from("aA1.!? \n\t|-#。？“”:,…\u2028é"), max_size=200))
def test_units_are_in_order_and_have_no_white_space_around(text: str) -> None:
    end = 0
    for unit in split_units(text):
        assert end <= unit.start_char < unit.end_char <= len(text)
        piece = text[unit.start_char : unit.end_char]
        assert piece == piece.strip()
        assert len(piece) <= UNIT_CHARS_MAX
        end = unit.end_char


@given(st.text(max_size=100))
def test_every_word_stands_in_a_unit(text: str) -> None:
    covered = set[int]()
    for unit in split_units(text):
        covered.update(range(unit.start_char, unit.end_char))
    missing = [i for i, character in enumerate(text) if character.isalpha() and i not in covered]
    # Only the letter of a list's mark, as in "a) first", is left out.
    assert all(text[i + 1 : i + 2] in (".", ")") for i in missing)
