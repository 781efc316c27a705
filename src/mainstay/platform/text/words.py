"""The words of a text that carry its meaning, so that two texts can be compared word by word.

No stemmer and no dictionary: a word is known by its first letters. On the judged questions of three languages that
separates right sentences from the rest as well as Snowball stems do (AUC within 0.01), and it needs no languages.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

KEY_CHARS = 6
CACHED_WORDS_MAX = 50_000

WordKind = Literal["word", "noun", "name", "number"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]+|\d(?:[\d.,]*\d)?|[^\W\d_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)?")
_IS_CJK = re.compile(f"[{_CJK}]")
_GROUP_SEPARATOR = re.compile(r"[.,](?=\d{3}(?:\D|$))")

_SECTIONS = re.split(
    r"^\[([a-z]{2})\]$",
    files("mainstay.platform.text").joinpath("function_words.txt").read_text("utf-8"),
    flags=re.MULTILINE,
)[1:]
_LISTED = {language: frozenset(words.split()) for language, words in zip(_SECTIONS[::2], _SECTIONS[1::2], strict=True)}
_FUNCTION_WORDS = frozenset[str]().union(*_LISTED.values())
# Words of German that no other listed language has: where they stand, a capital letter does not mean a name.
_GERMAN = _LISTED["de"].difference(*(words for language, words in _LISTED.items() if language != "de"))
# Small numbers are written out as often as not: "two years" and "2 years" are the same.
_WRITTEN_NUMBERS = {
    word: str(number)
    for words in (
        "two three four five six seven eight nine ten eleven twelve",
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    )
    for number, word in enumerate(words.split(), start=2)
}
_FUNCTION_SIGNS = "的了是在有和与及或吗呢么个些之于被把从对以而其中这那什多少哪谁何时几怎样如为"
_WITHOUT_FUNCTION_SIGNS = str.maketrans(dict.fromkeys(_FUNCTION_SIGNS, " "))


@dataclass(frozen=True, slots=True)
class Word:
    """One word by its `key`, under which its other forms are found too, and what it is.

    A capitalised word that does not begin its text is a name; in German, which writes all nouns so, it is a noun.
    """

    key: str
    kind: WordKind


def content_words(text: str) -> tuple[Word, ...]:
    """Return the words of `text` in order, without function words; Chinese, Japanese and Korean as pairs of signs."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    words: list[Word] = []
    tokens = list(_TOKEN.finditer(text))
    capitalised: WordKind = "noun" if any(token.group().casefold() in _GERMAN for token in tokens) else "name"
    for token in tokens:
        raw = token.group()
        if raw[0].isdigit():
            words.append(Word(_GROUP_SEPARATOR.sub("", raw), "number"))
        elif _IS_CJK.match(raw):
            words.extend(_signs(raw))
        else:
            key = _key(raw)
            if key is not None:
                words.append(Word(key, capitalised if raw[0].isupper() and token.start() > 0 else "word"))
    return tuple(words)


def without_words(text: str, keys: Collection[str]) -> str:
    """Return `text` without the words of these `keys`; signs that are written without gaps stay as they are."""

    def kept(token: re.Match[str]) -> str:
        raw = token.group()
        return "" if not _IS_CJK.match(raw) and _token_key(raw) in keys else raw

    return " ".join(_TOKEN.sub(kept, unicodedata.normalize("NFKC", text)).split())


def _token_key(raw: str) -> str | None:
    return _GROUP_SEPARATOR.sub("", raw) if raw[0].isdigit() else _key(raw)


def _signs(run: str) -> list[Word]:
    pairs: list[Word] = []
    for part in run.translate(_WITHOUT_FUNCTION_SIGNS).split():
        pairs.extend(Word(part[i : i + 2], "word") for i in range(max(1, len(part) - 1)))
    return pairs


@lru_cache(CACHED_WORDS_MAX)
def _key(raw: str) -> str | None:
    folded = raw.casefold().removesuffix("'s").removesuffix("’s")
    if folded in _FUNCTION_WORDS:
        return None
    return _WRITTEN_NUMBERS.get(folded, folded[:KEY_CHARS])
