"""Languages are told apart by their function words, and left open where these do not say."""

from mainstay.knowledge.retrieval.languages import LANGUAGES, LATIN_LANGUAGES, detect_language, evident_language


def test_every_language_has_function_words_and_a_stemmer() -> None:
    assert {"en", "de", "fr", "es", "it", "pt", "nl"} <= set(LATIN_LANGUAGES)
    for code in (*LATIN_LANGUAGES, "ru"):
        assert len(LANGUAGES[code].function_words) >= 40, code
        assert LANGUAGES[code].stem("x") == "x", code


def test_detect_language_of_prose() -> None:
    assert detect_language("The report was published in the spring, and it is about the state of the art.") == "en"
    assert detect_language("Der Bericht wurde im Frühjahr veröffentlicht und handelt vom Stand der Technik.") == "de"
    assert detect_language("Le rapport a été publié au printemps et il porte sur l'état de la technique.") == "fr"


def test_detect_language_without_prose_falls_back() -> None:
    for text in ("", "2022 82,959 81,797", "kubectl get pods", "黑豹队的防守"):
        assert detect_language(text) == "en"
        assert detect_language(text, "de") == "de"


def test_evident_language_needs_more_than_one_word_and_no_tie() -> None:
    assert evident_language("Wie viele Punkte gab die Verteidigung ab?", ("de", "en")) == "de"
    assert evident_language("die casting", ("de", "en")) is None
    assert evident_language("Bundesrat Zuständigkeit", ("de", "en")) is None
    assert evident_language("Wie viele Punkte gab die Verteidigung ab?", ("en",)) is None
