"""The words of a text that carry its meaning, so that two texts can be compared word by word.

No stemmer and no dictionary: a word is known by its first letters. On the judged questions of three languages that
separates answers from the rest as well as Snowball stems do (within 0.01 of AUC), in languages nobody listed too.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

KEY_CHARS = 6
CACHED_WORDS_MAX = 50_000

WordKind = Literal["word", "name", "number"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]+|\d(?:[\d.,]*\d)?|[^\W\d_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)?")
_IS_CJK = re.compile(f"[{_CJK}]")
_GROUP_SEPARATOR = re.compile(r"[.,](?=\d{3}(?:\D|$))")

_FUNCTION_WORDS = frozenset(
    # English
    """a about according after again all also am an and any are aren as at be because been before being between both
    but by can could couldn did didn do does doesn doing don during each either else few for from further had hadn has
    hasn have haven having he her here hers him his how i if in into is isn it its itself just kind let many may me
    might more most much must my name need no nor not of off on once one only or other our out over own please same
    shall she should shouldn so some such tell than that the their them then there these they this those through to
    too type under until up upon us very was wasn we were weren what when where whether which while who whom whose why
    will with within without won would wouldn you your yours"""
    # German
    """ aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes auch auf aus bei
    beim bin bis bist da damit dann das dass dasselbe dazu dein deine dem den denn der des dessen die dies diese
    diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines einige er es etwas euer für gegen
    gibt haben habe hat hatte hatten hier hin hinter ich ihr ihre ihrem ihren ihrer im in indem ins ist jede jedem
    jeden jeder jedes kann kein keine keinem keinen können könnte man mehr mein meine mit muss nach nicht nichts noch
    nun nur ob oder ohne sehr sein seine seinem seinen seiner selbst sich sie sind so solche soll sollte sondern sonst
    über um und uns unser unter viel viele vom von vor wann war waren warum was weil welche welchem welchen welcher
    welches wem wen wenn wer werden wessen wie wieder wieviel will wir wird wirst wo wofür woher wohin wollen womit
    wurde wurden während würde zu zum zur zwar zwischen"""
    # French, Spanish, Italian, Dutch, Portuguese: those that stand in nearly every sentence
    """ au aux avec ce ces cette comment combien dans de des du elle en est et être il ils je la le les leur lui ne nous
    où par pas pour pourquoi quand que quel quelle quels qui quoi sa se ses son sont sur un une vous y
    al como cómo con cual cuál cuando cuándo cuánto cuántos de del donde dónde el ella en entre es está este fue la
    las lo los más no para pero por qué quién se sin sobre su sus un una y
    che chi come con cosa da dei del della di dove e gli i il in la le lo ma nel non per perché più quale quando
    quanti quanto si sono su un una uno
    de den dat die een en er het hoe hoeveel in is met naar niet of om ons op te tot van voor waar waarom wanneer wat
    welke wie zijn
    ao as com da das do dos em foi mas na nas no nos o os ou onde para pelo por porque qual quando quantos quem que se
    são um uma""".split()
)
_FUNCTION_CHARACTERS = str.maketrans(dict.fromkeys("的了是在有和与及或吗呢么个些之于被把从对以而其中这那什多少哪谁何时几怎样如为", " "))


@dataclass(frozen=True, slots=True)
class Word:
    """One word by its `key`, under which its other forms are found too, and what it is.

    A name is a capitalised word that does not begin its text; German makes every noun look like one.
    """

    key: str
    kind: WordKind


def content_words(text: str) -> tuple[Word, ...]:
    """Return the words of `text` in order, without function words; Chinese, Japanese and Korean as pairs of signs."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    words: list[Word] = []
    for token in _TOKEN.finditer(text):
        raw = token.group()
        if raw[0].isdigit():
            words.append(Word(_GROUP_SEPARATOR.sub("", raw), "number"))
        elif _IS_CJK.match(raw):
            words.extend(_signs(raw))
        else:
            key = _key(raw)
            if key is not None:
                words.append(Word(key, "name" if raw[0].isupper() and token.start() > 0 else "word"))
    return tuple(words)


def _signs(run: str) -> list[Word]:
    pairs: list[Word] = []
    for part in run.translate(_FUNCTION_CHARACTERS).split():
        pairs.extend(Word(part[i : i + 2], "word") for i in range(max(1, len(part) - 1)))
    return pairs


@lru_cache(CACHED_WORDS_MAX)
def _key(raw: str) -> str | None:
    folded = raw.casefold().removesuffix("'s").removesuffix("’s")
    if folded in _FUNCTION_WORDS:
        return None
    return folded[:KEY_CHARS]
