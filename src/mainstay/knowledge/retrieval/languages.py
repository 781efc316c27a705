"""What the lexical index knows of languages: their function words, their stemmers, and how to tell them apart."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from threading import Lock

import Stemmer

DEFAULT_LANGUAGE = "en"
# A text is judged by its first so many different words.
_VOTERS_MAX = 60
_CHUNK_VOTES_MIN = 3
_QUERY_VOTES_MIN = 2

_SECTION = re.compile(r"^\[(?P<code>[a-z]{2}) (?P<name>[a-z]+)\]$", re.MULTILINE)
# Words of these scripts say by their letters how to stem them: (first letter, last letter, language).
_SCRIPTS = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u052f", "ru"),
    ("\u0530", "\u058f", "hy"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0900", "\u097f", "hi"),
    ("\u0b80", "\u0bff", "ta"),
)


_STEMMING = Lock()


@dataclass(frozen=True)
class Language:
    """One language: its function words, which are not indexed, and its Snowball stemmer."""

    function_words: frozenset[str]
    stemmer: Stemmer.Stemmer

    def stem(self, word: str) -> str:
        """Return the stem of a case-folded word; a stemmer works for one thread at a time."""
        with _STEMMING:
            return self.stemmer.stemWord(word)


def _load() -> Mapping[str, Language]:
    text = files(__package__ or "").joinpath("stopwords.txt").read_text("utf-8")
    parts = _SECTION.split(text)
    sections = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    listed = {code: (name, frozenset(words.split())) for code, name, words in sections}
    for code, name in (("el", "greek"), ("hy", "armenian"), ("ar", "arabic"), ("hi", "hindi"), ("ta", "tamil")):
        listed[code] = (name, frozenset())
    # The caller keeps what it has analysed, so the stemmers need no memory of their own.
    return {code: Language(words, Stemmer.Stemmer(name, 0)) for code, (name, words) in listed.items()}


LANGUAGES = _load()
# The languages that share the Latin script, between which a chunk has to choose.
LATIN_LANGUAGES = tuple(sorted({code for code, known in LANGUAGES.items() if known.function_words} - {"ru"}))
# Which languages a function word speaks for; a single letter speaks for none.
_WORD_LANGUAGES: dict[str, tuple[str, ...]] = {}
for _code in LATIN_LANGUAGES:
    for _word in filter(lambda word: len(word) > 1, LANGUAGES[_code].function_words):
        _WORD_LANGUAGES[_word] = (*_WORD_LANGUAGES.get(_word, ()), _code)


def language_of_word(word: str, latin: str) -> Language:
    """Return the language in which to stem the case-folded `word`: by its script, or `latin` in the Latin one."""
    first = word[0]
    if first >= _SCRIPTS[0][0]:
        for start, end, code in _SCRIPTS:
            if start <= first <= end:
                return LANGUAGES[code]
    return LANGUAGES[latin]


def languages_speaking(word: str) -> Sequence[str]:
    """Return the languages that have `word` as a function word."""
    return _WORD_LANGUAGES.get(word.lower(), ())


def detect_language(
    words: Mapping[str, int], speaking: Callable[[str], Sequence[str]] = languages_speaking
) -> str | None:
    """Return which Latin-script language a chunk is in, by how often its words occur; None if they do not say."""
    return _vote(words, speaking, LATIN_LANGUAGES, _CHUNK_VOTES_MIN)


def evident_language(words: Mapping[str, int], among: Sequence[str]) -> str | None:
    """Return which of the languages `among` the words of a query show, or None: short queries have few."""
    return _vote(words, languages_speaking, among, _QUERY_VOTES_MIN)


def _vote(
    words: Mapping[str, int], speaking: Callable[[str], Sequence[str]], among: Sequence[str], votes_min: int
) -> str | None:
    votes: dict[str, int] = {}
    for word, count in islice(words.items(), _VOTERS_MAX):
        for code in speaking(word):
            votes[code] = votes.get(code, 0) + count
    ranked = sorted(((code, votes[code]) for code in among if code in votes), key=lambda vote: -vote[1])
    if not ranked or ranked[0][1] < votes_min or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return None
    return ranked[0][0]
