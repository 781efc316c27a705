"""From text to the terms of the lexical index: the same for what is indexed and for what is asked.

A text is cut into clusters, runs of word characters held together by `-._&@` ("snake_case", "10-Q", "v1.2.3"). A
cluster gives *major* terms, which count towards a chunk's length, and *minor* ones, which only help to find it:

- words are major: NFKC, case-folded, without the function words of their language, stemmed by Snowball, accents off;
- the whole of a cluster ("snakecase") is minor, and so are the parts of camelCase; where no part is a word ("82,959",
  "10-Q", "U.S.", "AT&T") the whole is the word and its parts are minor;
- single letters and digits are minor;
- Chinese, Japanese and Korean need no spaces: each character is major, each pair of neighbours minor, of full weight.

A language only decides on function words and stems. A chunk is indexed in the language detected for it, and a query
is put into every language its store holds: an error of detection changes a stem on both sides alike and loses
nothing, and a query of two words needs no detection at all.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mainstay.knowledge.retrieval.languages import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    LATIN_LANGUAGES,
    detect_language,
    evident_language,
    language_of_word,
    languages_speaking,
)

TERM_CHARS_MAX = 64
QUERY_CHARS_MAX = 8_192
QUERY_WORDS_MAX = 256
# A part or a whole that a query names is evidence, but less than a word is. On nine judged sets 0.25 lost nothing
# against leaving them out; a full weight cost up to 0.02 nDCG@10.
MINOR_WEIGHT = 0.25
# Per language.
_CACHE_ENTRIES_MAX = 100_000
_CACHED_CHARS_MAX = 24

_CJK = "\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
# Marks are no word characters to Python, yet in Arabic, Hebrew, Indic and Thai script they stand inside words.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0971-\u0dff"
    "\u0e31-\u0e4e\u0eb1-\u0ece\u102b-\u103e\u1780-\u17d3"
)
_JOINED = r"(?:(?:[-._&@]|,(?=\d{{3}})){0})*"
_CLUSTER = re.compile(rf"[\w{_MARKS}]+" + _JOINED.format(rf"[\w{_MARKS}]+") + r"(?:(?<=\b[A-Za-z])(?:\+\+|#)(?!\w))?")
_PART = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^A-Za-z\d]+")
_SCRIPT_RUN = re.compile(f"[{_CJK}]+|[^{_CJK}]+")
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_GROUPED_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{3})+(?:[.,]\d+)?")
_GROUP_SEPARATOR = re.compile(r"[.,](?=\d{3}(?:\D|$))")
_ACRONYM = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
# Accents of Latin, Greek and Cyrillic and the vowel points of Arabic and Hebrew, which writers leave out at will.
_ACCENT = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f]")
# Soft hyphens and zero-width characters cannot be seen and must not keep two spellings apart.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")


@dataclass(frozen=True)
class ChunkTerms:
    """What the index keeps of a chunk: how often each term occurs, and its length, the number of its major terms."""

    frequencies: dict[str, int]
    length: int


@dataclass(frozen=True)
class QueryWord:
    """A word of a query: the term it is in each language (mostly one), and how much it weighs.

    `expected` says that a chunk which answers the query in full would have it; that is not said of minor terms, nor
    of what is a function word in one of the languages.
    """

    terms: tuple[str, ...]
    weight: float
    expected: bool


def tokens_of(text: str) -> Mapping[str, int]:
    """Return what stands between the white space of a text, with how often each occurs.

    To split a text and look its tokens up takes half of what it takes to find its clusters.
    """
    # What cannot be seen goes first: an accent behind it is composed with the letter before it.
    normal = text if text.isascii() else unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return Counter(normal.replace("-\n", "-").split())


def clusters_of(text: str) -> Mapping[str, int]:
    """Return the clusters of a text with how often each occurs."""
    clusters: Counter[str] = Counter()
    for token, count in tokens_of(text).items():
        for cluster in _CLUSTER.findall(token):
            clusters[cluster] += count
    return clusters


def chunk_terms(tokens: Mapping[str, int], language: str = DEFAULT_LANGUAGE) -> ChunkTerms:
    """Return the terms of a chunk written in `language`, one of LATIN_LANGUAGES; other scripts speak for themselves."""
    known = _analysed[language]
    frequencies: dict[str, int] = {}
    length = 0
    for token, count in tokens.items():
        analysis = known.get(token) or _analyse(token, language)
        length += count * analysis.length
        for term in analysis.terms:
            frequencies[term] = frequencies.get(term, 0) + count
    return ChunkTerms(frequencies, length)


def query_words(text: str, languages: Sequence[str]) -> tuple[QueryWord, ...]:
    """Return the words of a query, each in all of the `languages` that its store holds.

    The function words of the query's own language, where that is evident, are dropped in all of them: a German
    question must not look for "die" in English chunks. Only the first QUERY_CHARS_MAX characters and
    QUERY_WORDS_MAX words count.
    """
    clusters = clusters_of(text[:QUERY_CHARS_MAX])
    evident = evident_language(clusters, languages)
    dropped = LANGUAGES[evident].function_words if evident else frozenset[str]()
    variants: dict[str, dict[str, None]] = {}
    weights: dict[str, float] = {}
    expected: dict[str, bool] = {}
    for cluster, count in clusters.items():
        found: dict[str, float] = {}
        for language in languages:
            analysis = _analyse(cluster, language)
            for surface, term, weight in analysis.words:
                if surface not in dropped:
                    variants.setdefault(surface, {})[term] = None
                    found[surface] = max(weight, found.get(surface, 0.0))
        for surface, weight in found.items():
            weights[surface] = weights.get(surface, 0.0) + count * weight
            common = any(surface in LANGUAGES[language].function_words for language in languages)
            expected[surface] = expected.get(surface, False) or (weight == 1.0 and not common)
    words = [QueryWord(tuple(variants[surface]), weights[surface], expected[surface]) for surface in variants]
    return tuple(words[:QUERY_WORDS_MAX])


class _Speaking(dict[str, tuple[str, ...]]):
    """For which languages the tokens seen lately speak."""

    def __missing__(self, token: str) -> tuple[str, ...]:
        speaking = tuple(code for cluster in _CLUSTER.findall(token) for code in languages_speaking(cluster))
        if len(token) <= _CACHED_CHARS_MAX:
            if len(self) >= _CACHE_ENTRIES_MAX:
                self.clear()
            self[token] = speaking
        return speaking


_speaking = _Speaking()


def language_of(tokens: Mapping[str, int]) -> str | None:
    """Return which Latin-script language a chunk of these tokens is in; None if they do not say."""
    return detect_language(tokens, _speaking.__getitem__)


@dataclass(frozen=True, slots=True)
class _Analysis:
    """A token in one language: its terms, how many of them are major, and what a query takes from it.

    `words` are triples of the word before it was stemmed, its term, and its weight in a query.
    """

    terms: tuple[str, ...]
    length: int
    words: tuple[tuple[str, str, float], ...]


# What was analysed, by language and token.
_analysed: dict[str, dict[str, _Analysis]] = {language: {} for language in LATIN_LANGUAGES}


def _analyse(token: str, language: str) -> _Analysis:
    known = _analysed[language]
    analysis = known.get(token)
    if analysis is None:
        major: _Major = []
        minor: _Minor = []
        for cluster in _CLUSTER.findall(token):
            cluster_major, cluster_minor = _split(cluster, language)
            major += cluster_major
            minor += cluster_minor
        words = (*((surface, term, 1.0) for surface, term in major), *minor)
        analysis = _Analysis(tuple(term for _, term, _ in words), len(major), words)
        # Words come again and are worth keeping; clauses of Chinese do not.
        if len(token) <= _CACHED_CHARS_MAX:
            if len(known) >= _CACHE_ENTRIES_MAX:
                known.clear()
            known[token] = analysis
    return analysis


_Major = list[tuple[str, str]]
_Minor = list[tuple[str, str, float]]


def _split(cluster: str, language: str) -> tuple[_Major, _Minor]:
    major: _Major = []
    minor: _Minor = []
    parts = _PART.findall(cluster)
    for part in parts:
        for run in (part,) if part.isascii() else _SCRIPT_RUN.findall(part):
            if _CJK_CHARACTER.match(run):
                major += [(character, character) for character in run]
                minor += [(pair, pair, 1.0) for pair in map("".join, pairwise(run))]
            else:
                _split_word(run, language, major, minor)
    if parts and (len(parts) > 1 or cluster[-1] in "+#"):
        whole = _whole(cluster)
        term = _stem(whole, language) if whole.isalpha() else whole[:TERM_CHARS_MAX]
        if any((len(part) > 1 and part.isalpha()) or _CJK_CHARACTER.match(part) for _, part in major):
            minor.append((whole, term, MINOR_WEIGHT))
        else:
            minor += [(surface, part, MINOR_WEIGHT) for surface, part in major]
            major = [(whole, term)]
    return major, minor


def _split_word(word: str, language: str, major: _Major, minor: _Minor) -> None:
    folded = word.casefold()
    term = _term(folded, language)
    if term is None:
        return
    if len(word) == 1:
        minor.append((folded, term, MINOR_WEIGHT))
        return
    major.append((folded, term))
    plain = word.isdecimal() or (word.isalpha() and (word.islower() or word.isupper() or word.istitle()))
    humps = () if plain else _CAMEL.findall(word)
    if len(humps) > 1:
        for hump in map(str.casefold, humps):
            part = _term(hump, language)
            if part is not None:
                minor.append((hump, part, MINOR_WEIGHT))


def _term(folded: str, language: str) -> str | None:
    """Return the stem of a word, or None for a function word, and for an accent without a letter."""
    if folded in language_of_word(folded, language).function_words:
        return None
    return _stem(folded, language) or None


def _stem(folded: str, language: str) -> str:
    """Return the stem of a word, without accents and cut to TERM_CHARS_MAX."""
    return _without_accents(language_of_word(folded, language).stem(folded))[:TERM_CHARS_MAX]


def _whole(cluster: str) -> str:
    """Return a cluster as one term: "10-Q" as "10q", "82,959" as "82959", "U.S." as "us", "v1.2" as it stands."""
    whole = cluster.casefold().replace("-", "").replace("_", "")
    if _GROUPED_NUMBER.fullmatch(whole):
        whole = _GROUP_SEPARATOR.sub("", whole).replace(",", ".")
    elif _ACRONYM.fullmatch(whole):
        whole = whole.replace(".", "")
    return _without_accents(whole)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))
