import pytest

from mainstay.control.gateway.providers.extractive.question import supplies, wanted_by


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("When does it open?", "date"),
        ("In what year was it built?", "date"),
        ("How many days do I have?", "quantity"),
        ("What percentage is lost?", "quantity"),
        ("Who approves refunds?", "person"),
        ("Where is the office?", "place"),
        ("Why does it blink?", None),
        ("Wann öffnet es?", "date"),
        ("In welchem Jahr wurde es gebaut?", "date"),
        ("Wie viele Tage habe ich?", "quantity"),
        ("Wer genehmigt das?", "person"),
        ("Wo ist das Büro?", "place"),
        ("哪一年建成的？", "date"),
        ("有多少人？", "quantity"),
        ("谁批准退款？", "person"),
        ("Who founded it? When was that?", "date"),
        ("", None),
    ],
)
def test_question_says_what_it_wants(question: str, wanted: str | None) -> None:
    assert wanted_by(question) == wanted


@pytest.mark.parametrize(
    ("sentence", "wanted", "supplied"),
    [
        ("It opened in 1998.", "date", 1),
        ("It opened on a Monday.", "date", 1),
        ("It opened with a party.", "date", -1),
        ("Returns are free for 30 days.", "quantity", 1),
        ("Returns are free for thirty days.", "quantity", 1),
        ("The Linnet 2 is free.", "quantity", -1),
        ("Refunds are approved by Ada Byron.", "person", 1),
        ("Refunds are approved by somebody.", "person", -1),
        ("The office is in Sallowby.", "place", 1),
        ("建于1998年。", "date", 1),
        ("Anything at all.", None, 0),
    ],
)
def test_sentence_supplies_what_is_wanted(sentence: str, wanted: str | None, supplied: int) -> None:
    assert supplies(sentence, wanted, "What about the Linnet 2?") == supplied
