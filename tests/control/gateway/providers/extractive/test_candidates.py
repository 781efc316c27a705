from mainstay.control.gateway.models import Passage
from mainstay.control.gateway.providers.extractive.candidates import QuestionWords, find_candidates


def texts(question: str, *passages: Passage) -> list[str]:
    return [candidate.text for candidate in find_candidates(QuestionWords.of(question), passages)]


def test_names_and_numbers_weigh_more_than_words() -> None:
    words = QuestionWords.of("How heavy is the Plover 4?")
    assert words.weights == {"heavy": 1.0, "plover": 2.0, "4": 1.5}
    assert words.share(frozenset({"heavy"})) == 1 / 3
    assert words.weighted_share(frozenset({"plover", "4"})) == 3.5 / 4.5


def test_names_that_a_passage_lacks_are_weighed_among_the_names_alone() -> None:
    words = QuestionWords.of("How heavy is the Plover 4?")
    assert words.missing_names(frozenset({"plover", "4"})) == 0.0
    assert words.missing_names(frozenset({"heavy", "plover"})) == 1.5 / 3.5
    assert words.missing_names(frozenset({"heavy"})) == 1.0
    assert QuestionWords.of("how heavy is it").missing_names(frozenset()) == 0.0


def test_question_is_told_without_the_words_that_are_missing() -> None:
    words = QuestionWords.of("What colour is the Plover 4?")
    assert words.told_by(frozenset({"colour", "plover", "4"})) == words.text
    assert words.told_by(frozenset({"plover", "4", "kilogr"})) == "What is the Plover 4?"
    assert words.told_by(frozenset({"kilogr"})) == ""


def test_headings_questions_and_repetitions_are_no_candidates() -> None:
    passage = Passage(
        1,
        "faq.md",
        (),
        "# Weight\n\nHow heavy is the Plover 4?\nThe Plover 4, heavy.\nThe Plover 4 weighs 12 kilograms.",
    )
    assert texts("How heavy is the Plover 4?", passage) == ["The Plover 4 weighs 12 kilograms."]


def test_question_in_a_document_is_the_context_of_what_follows_it() -> None:
    passage = Passage(1, "faq.md", (), "How heavy is the Plover 4?\nIt weighs twelve kilograms.")
    [candidate] = find_candidates(QuestionWords.of("How heavy is the Plover 4?"), [passage])
    assert candidate.sentence_coverage == 0.0
    assert candidate.context_coverage == 1.0


def test_title_and_headings_count_for_the_passage() -> None:
    bare = Passage(1, "notes.md", (), "It weighs twelve kilograms.")
    named = Passage(1, "Plover 4.pdf", ("Weight",), "It weighs twelve kilograms.")
    words = QuestionWords.of("What is the weight of the Plover 4?")
    [without], [with_names] = find_candidates(words, [bare]), find_candidates(words, [named])
    assert without.passage_coverage < with_names.passage_coverage == 1.0


def test_most_promising_sentence_comes_first_and_each_text_once() -> None:
    first = Passage(1, "a.md", (), "Something else entirely. The mast is 2 m long.")
    second = Passage(2, "b.md", (), "The mast is 2 m long. The MAST is 2 m LONG.")
    found = find_candidates(QuestionWords.of("How long is the mast?"), [first, second])
    assert [candidate.text for candidate in found] == ["The mast is 2 m long.", "Something else entirely."]
    assert found[0].passage.number == 1
