"""Bytes to text: marks and declarations first, then UTF-8, then the legacy charset that reads most plausibly."""

import codecs
import re

SAMPLE_BYTES = 64 * 1024
FALLBACK = "cp1252"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
# The lead bytes of the commonest characters: kana and level 1 of JIS, level 1 of GB 2312 and Big5, Hangul.
_KANA_SJIS = re.compile(r"[\u3040-\u30ff]")
_PLAUSIBLE_MIN = 0.85
# Latin text has single accented letters in ASCII words; other alphabets write whole words above 127.
_OTHER_ALPHABET_RUN_MIN = 2.5
_CYRILLIC_GREEK = (
    ("cp1251", re.compile(r"[\u0430-\u044f\u0451]|(?<![\u0430-\u044f])[\u0410-\u042f\u0401]|[«»–—“”„№]")),
    ("koi8_r", re.compile(r"[\u0430-\u044f\u0451]|(?<![\u0430-\u044f])[\u0410-\u042f\u0401]")),
    ("cp1253", re.compile(r"[\u03ac-\u03ce]|(?<![\u03ac-\u03ce])[\u0386-\u03ab]|[«»–—“”]")),
)


def decode(data: bytes, declared: str | None = None) -> str:
    """Return `data` as text. `declared` is what the file or its sender claims; it is tried and not trusted.

    Never fails: what no charset explains is read as Windows-1252, the commonest one on old machines.
    """
    for bom, charset in _BOMS:
        if data.startswith(bom):
            return data.decode(charset, "replace")
    sample = data[:SAMPLE_BYTES]
    if b"\x00" in sample and (charset := _wide_charset(sample)):
        return data.decode(charset, "replace")
    if sample.isascii() and _ISO_2022_JP.search(sample) and (text := _strict(data, "iso2022_jp_2")) is not None:
        return text
    for charset in ("utf-8", declared):
        if charset and (text := _strict(data, charset)) is not None:
            return text
    return data.decode(detect_legacy(sample), "replace")


def detect_legacy(sample: bytes) -> str:
    """Return the charset that reads `sample`, which is not UTF-8, most plausibly; cp1252 where none stands out."""
    scores = {
        "cp932": _score_cp932(sample),
        "euc_jp": _score_pairs(sample, "euc_jp", common=(0xA1, 0xCF), needs_kana=True),
        "cp949": _score_pairs(sample, "cp949", common=(0xB0, 0xC8)),
        "gb18030": _score_pairs(sample, "gb18030", common=(0xB0, 0xD7)) - 0.01,
        "big5": _score_pairs(sample, "big5", common=(0xA4, 0xC6)) - 0.02,
    }
    runs = _HIGH_RUN.findall(sample)
    if runs and sum(map(len, runs)) / len(runs) >= _OTHER_ALPHABET_RUN_MIN:
        for charset, everyday in _CYRILLIC_GREEK:
            scores[charset] = _score_alphabet(sample, charset, everyday)
    best = max(scores, key=lambda charset: scores[charset])
    return best if scores[best] >= _PLAUSIBLE_MIN else FALLBACK


def _strict(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except (UnicodeError, LookupError):
        return None


def _strict_sample(sample: bytes, charset: str) -> str | None:
    # A sample may end inside a character.
    return next((t for cut in range(4) if (t := _strict(sample[: len(sample) - cut], charset)) is not None), None)


def _wide_charset(sample: bytes) -> str | None:
    even, odd, half = sample[::2].count(0), sample[1::2].count(0), max(len(sample) // 2, 1)
    if odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    return None


def _score_cp932(sample: bytes) -> float:
    text = _strict_sample(sample, "cp932")
    foreign = [c for c in text or "" if not c.isascii()]
    if not foreign:
        return 0.0
    kana = sum(1 for c in foreign if _KANA_SJIS.match(c))
    pairs = [c.encode("cp932", "ignore") for c in foreign]
    common = sum(1 for pair in pairs if len(pair) == 2 and (pair[0] in (0x81, 0x82, 0x83) or 0x88 <= pair[0] <= 0x97))
    return common / len(foreign) + (0.05 if kana else 0.0)


def _score_pairs(sample: bytes, charset: str, common: tuple[int, int], *, needs_kana: bool = False) -> float:
    text = _strict_sample(sample, charset)
    foreign = [c for c in text or "" if not c.isascii()]
    if len(foreign) < 2 or (needs_kana and not _KANA_SJIS.search("".join(foreign))):
        return 0.0
    low, high = common
    leads = [encoded[0] for c in foreign if len(encoded := c.encode(charset, "ignore")) == 2]
    # Row 0xA1 and 0xA3 are punctuation and full-width letters in all of them.
    return sum(1 for lead in leads if low <= lead <= high or lead in (0xA1, 0xA3)) / len(foreign)


def _score_alphabet(sample: bytes, charset: str, everyday: re.Pattern[str]) -> float:
    text = sample.decode(charset, "replace")
    foreign = sum(1 for c in text if not c.isascii())
    return len(everyday.findall(text)) / foreign if foreign else 0.0
