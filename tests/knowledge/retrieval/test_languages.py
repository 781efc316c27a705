"""Languages are told apart by their function words, and left open where these do not say."""

from mainstay.knowledge.retrieval.languages import LANGUAGES, LATIN_LANGUAGES, detect_language, evident_language
from mainstay.knowledge.retrieval.terms import clusters_of, language_of, tokens_of


def test_every_language_has_function_words_and_a_stemmer() -> None:
    assert {"en", "de", "fr", "es", "it", "pt", "nl"} <= set(LATIN_LANGUAGES)
    for code in (*LATIN_LANGUAGES, "ru"):
        assert len(LANGUAGES[code].function_words) >= 40, code
        assert LANGUAGES[code].stem("x") == "x", code


def detected(text: str) -> str | None:
    shown = language_of(tokens_of(text))
    assert shown == detect_language(clusters_of(text))
    return shown


def evident(query: str, *among: str) -> str | None:
    return evident_language(clusters_of(query), among)


def test_detect_language_of_prose() -> None:
    assert detected("The report was published in the spring, and it is about the state of the art.") == "en"
    assert detected("Der Bericht wurde im Frühjahr veröffentlicht und handelt vom Stand der Technik.") == "de"
    assert detected("Le rapport a été publié au printemps et il porte sur l'état de la technique.") == "fr"


def test_detect_language_without_prose_says_nothing() -> None:
    for text in ("", "2022 82,959 81,797", "kubectl get pods", "黑豹队的防守", "a b c d e"):
        assert detected(text) is None, text


def test_evident_language_needs_more_than_one_word_and_no_tie() -> None:
    assert evident("Wie viele Punkte gab die Verteidigung ab?", "de", "en") == "de"
    assert evident("die casting", "de", "en") is None
    assert evident("Bundesrat Zuständigkeit", "de", "en") is None
    assert evident("Wie viele Punkte gab die Verteidigung ab?", "en") is None
