"""Text becomes the same terms on both sides of a search, whatever it is written in."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.knowledge.retrieval import terms as subject
from mainstay.knowledge.retrieval.languages import LATIN_LANGUAGES
from mainstay.knowledge.retrieval.terms import (
    MINOR_WEIGHT,
    QUERY_WORDS_MAX,
    TERM_CHARS_MAX,
    ChunkTerms,
    clusters_of,
    query_words,
    tokens_of,
)


def chunk_terms(text: str, language: str = "en") -> ChunkTerms:
    return subject.chunk_terms(tokens_of(text), language)


def terms(text: str, language: str = "en") -> set[str]:
    return set(chunk_terms(text, language).frequencies)


def asked(query: str, *languages: str) -> dict[str, float]:
    return {term: word.weight for word in query_words(query, languages or ("en",)) for term in word.terms}


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("call get_user_name now", ["get_user_name", "user", "getusername", "get user name"]),
        ("class HTTPResponseParser:", ["HTTPResponseParser", "httpresponseparser", "response parser", "HTTP"]),
        ("upgrade to v1.2.3 today", ["v1.2.3", "V1.2.3"]),
        ("see the 10-Q filing", ["10-Q", "10Q", "10-q"]),
        ("net sales of $82,959 million", ["$82,959", "82959", "82,959", "82.959"]),
        ("in the U.S. market", ["U.S.", "US"]),
        ("AT&T shares", ["AT&T"]),
        ("COVID-19 cases", ["covid-19", "covid19", "COVID 19"]),
        ("written in C++ and C#", ["C++", "C#"]),
        ("send an e-mail", ["email", "e-mail", "mail"]),
        ("die Straße zum Café", ["strasse", "STRASSE", "cafe", "café"]),
        ("the trans-\nport of goods", ["transport"]),
        ("soft\u00adware and zero\u200bwidth", ["software", "zerowidth"]),
        ("ﬁnancial ｆｕｌｌwidth", ["financial", "fullwidth"]),
        ("黑豹队的防守", ["黑豹", "防守", "豹"]),
        ("東京タワーに行く", ["東京", "タワー"]),
        ("서울에서 만나요", ["서울"]),
        ("русские книги", ["книга", "КНИГИ"]),
        ("हिन्दी में लेख", ["हिन्दी"]),
        ("vitamin C deficiency", ["vitamin C", "c"]),
    ],
)
def test_identifiers_and_scripts_found_whole_and_in_parts(text: str, queries: list[str]) -> None:
    indexed = terms(text)
    for query in queries:
        assert asked(query).keys() & indexed, query


def test_words_of_an_exact_identifier_weigh_more_than_one_of_its_parts() -> None:
    whole, part = asked("10-Q"), asked("10")
    indexed = terms("Form 10-Q")
    assert sum(weight for term, weight in whole.items() if term in indexed) > MINOR_WEIGHT
    assert part.keys() <= indexed


def test_inflections_of_one_language_are_one_term() -> None:
    assert terms("retrieving retrieves retrieved") == terms("retrieve")
    assert terms("Häuser Hauses", "de") == terms("Haus", "de")


def test_function_words_are_not_indexed_and_do_not_count() -> None:
    counted = chunk_terms("the cat and the dog of it")
    assert counted.frequencies == {"cat": 1, "dog": 1}
    assert counted.length == 2


def test_length_counts_words_and_not_their_parts() -> None:
    assert chunk_terms("snake_case").length == 2
    assert chunk_terms("camelCase").length == 1
    assert chunk_terms("82,959").length == 1
    assert chunk_terms("黑豹队").length == 3


def test_frequency_counts_repetitions() -> None:
    assert chunk_terms("tide Tide TIDE tides").frequencies == {"tide": 4}


def test_query_of_two_german_words_finds_german_chunks_of_a_mixed_store() -> None:
    assert asked("Geschwindigkeiten Fahrzeuge", "de", "en").keys() & terms("Geschwindigkeit der Fahrzeuge", "de")


def test_function_words_of_an_evident_language_are_dropped_in_all() -> None:
    assert "die" not in asked("Wie lang ist die Brücke über den Fluss?", "de", "en")
    assert "die" in asked("die casting", "de", "en")


def test_word_that_some_language_treats_as_function_word_is_not_expected() -> None:
    expected = {word.terms: word.expected for word in query_words("war history", ("de", "en"))}
    assert expected == {("war",): False, ("history", "histori"): True}


def test_minor_terms_are_not_expected() -> None:
    expected = {word.terms[0]: word.expected for word in query_words("snake_case", ("en",))}
    assert expected == {"snake": True, "case": True, "snakecas": False}


@example(["C\u00ad\u0301"])
@given(st.lists(st.text(st.sampled_from("ab1C-_.,&@+# \n\u00ad\uff0d\u3000\u00b4\u0301\u00e9\u9ed1"), max_size=8)))
def test_tokens_hold_the_terms_of_their_clusters(parts: list[str]) -> None:
    text = " the ".join(parts)
    by_cluster = subject.chunk_terms(clusters_of(text))
    assert subject.chunk_terms(tokens_of(text)) == by_cluster
    # A token of its own for each cluster changes nothing either.
    assert chunk_terms("\n".join(cluster for cluster, n in clusters_of(text).items() for _ in range(n))) == by_cluster


def test_a_word_broken_at_the_end_of_a_line_is_one() -> None:
    assert chunk_terms("A break-\nwater of stone").frequencies.keys() >= {"breakwat", "stone"}


def test_query_limits_hold() -> None:
    words = query_words(" ".join(f"w{number}x" for number in range(5_000)), ("en",))
    assert len(words) == QUERY_WORDS_MAX
    assert all(len(term) <= TERM_CHARS_MAX for term in terms("x" * 500 + " " + "ab-" * 90 + "z"))


def test_empty_and_bare_punctuation_have_no_terms() -> None:
    for text in ("", " \n", "—…!?", "$ % &", "___"):
        assert chunk_terms(text).frequencies == {}
        assert query_words(text, ("en",)) == ()


@given(st.text(max_size=200), st.sampled_from(LATIN_LANGUAGES))
def test_every_text_finds_itself(text: str, language: str) -> None:
    indexed = chunk_terms(text, language).frequencies
    wanted = {term for word in query_words(text, (language,)) for term in word.terms}
    assert wanted <= indexed.keys()
    assert all(count > 0 for count in indexed.values())


@given(st.text(max_size=120), st.sampled_from(LATIN_LANGUAGES), st.sampled_from(LATIN_LANGUAGES))
def test_more_languages_only_add_variants(text: str, one: str, other: str) -> None:
    alone = {term for word in query_words(text, (one,)) for term in word.terms}
    both = {term for word in query_words(text, (one, other)) for term in word.terms}
    dropped_as_evident = alone - both
    assert all(len(term) > 1 for term in dropped_as_evident)
