"""What kind of thing a question asks for, and whether a sentence has such a thing in it."""

import re
from typing import Literal

Wanted = Literal["date", "quantity", "person", "place"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# The first that matches decides. English, German, Chinese; a question in another language simply wants nothing special.
_ASKS: tuple[tuple[Wanted, re.Pattern[str]], ...] = (
    (
        "date",
        _any(
            r"\b(when|(what|which) (year|date|day|month|century|time|decades?))\b",
            r"\b(wann|welche[mnrs]? (jahr|tag|datum|monat|jahrhundert|jahrzehnt))\b",
            r"何时|什么时候|什么时间|[哪几]一?[年天月]|哪个世纪",
        ),
    ),
    (
        "quantity",
        _any(
            r"\bhow (many|much|long|old|far|often|fast|large|big|high|tall|deep|soon|warm|hot|cold|heavy|wide|late)\b",
            r"\bwhat (is|was|are|were) the (percentage|percent|number|amount|price|cost|size|rate|temperature|age)\b",
            r"\bwhat (percentage|percent|number|amount|share|portion|proportion|fraction|age|size|temperature)\b",
            r"\bwie ?(viele?n?|lange|oft|hoch|groß|weit|alt|schnell|teuer|schwer|tief|warm|kalt)\b",
            r"\bwelche[rmns]? (anteil|anzahl|prozentsatz|betrag|preis|temperatur|größe)\b",
            r"多少|几[个次名位种条人]|百分之几|多[长大高久远快]",
        ),
    ),
    ("person", _any(r"\b(who|whom|whose|wer|wen|wem|wessen)\b", "谁")),
    ("place", _any(r"\b(where|wo|woher|wohin)\b", "哪里|哪儿|何处|在哪")),
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORD = re.compile(
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|hundreds?|"
    r"thousands?|millions?|billions?|half|third|quarter|dozen|once|twice|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|"
    r"elf|zwölf|zwanzig|hundert|tausend|millionen|milliarden|hälfte|drittel|viertel|einmal|zweimal)\b|"
    r"[一二三四五六七八九十百千万亿两半]",
    re.IGNORECASE,
)
_DATE_WORD = re.compile(
    r"\b(january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|"
    r"juni|juli|oktober|dezember|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|montag|dienstag|"
    r"mittwoch|donnerstag|freitag|samstag|sonntag|century|jahrhundert|noon|midnight|today|yesterday|tomorrow)\b|[年月日]|世纪",
    re.IGNORECASE,
)
_NAME_INSIDE = re.compile(r"(?<=[\w,;:)”\"'’] )[^\W\d_a-zß-ÿ]\w+|[\u3040-\u30ff\u3400-\u9fff]")


def wanted_by(question: str) -> Wanted | None:
    """Return what the last sentence of `question` asks for; a question with its history has the latest one last."""
    sentences = [part for part in re.split(r"(?<=[?？])\s*", question) if part.strip()]
    last = sentences[-1] if sentences else ""
    return next((wanted for wanted, asks in _ASKS if asks.search(last)), None)


def supplies(sentence: str, wanted: Wanted | None, question: str) -> int:
    """Return 1 where `sentence` has what is wanted, -1 where it has not, 0 where nothing special is wanted.

    A number that the question itself names does not answer it.
    """
    if wanted is None:
        return 0
    if wanted in ("person", "place"):
        return 1 if _NAME_INSIDE.search(sentence) else -1
    fresh = set(_NUMBER.findall(sentence)) - set(_NUMBER.findall(question))
    words = _NUMBER_WORD if wanted == "quantity" else _DATE_WORD
    return 1 if fresh or words.search(sentence) else -1
