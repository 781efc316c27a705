"""Bytes to text: marks and declarations first, then UTF-8, then the legacy charset that reads most plausibly."""

import codecs
import re
from collections.abc import Callable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ISO_2022 = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
SAMPLE_BYTES = 64 * 1024

# What everyday text in a charset decodes to; rare characters betray a wrong guess.
_KANA = "\u3040-\u30ff\u3000-\u303f\uff00-\uffef"
_HAN = "\u4e00-\u9fff"
_EVERYDAY: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("cp932", re.compile(f"[{_KANA}{_HAN}]")),
    ("euc_jp", re.compile(f"[{_KANA}{_HAN}]")),
    ("gb18030", re.compile(f"[\u3000-\u303f\uff00-\uffef\u2010-\u203b{_HAN}]")),
    ("big5", re.compile(f"[\u3000-\u303f\uff00-\uffef{_HAN}]")),
    ("cp949", re.compile("[\uac00-\ud7a3\u3000-\u303f]")),
    ("cp1251", re.compile("[\u0430-\u044f\u0451]|(?<![\u0430-\u044f])[\u0410-\u042f\u0401]|[«»—–“”„№\xa0]")),
    ("koi8_r", re.compile("[\u0430-\u044f\u0451]|(?<![\u0430-\u044f])[\u0410-\u042f\u0401]")),
    ("cp1253", re.compile("[\u03ac-\u03ce]|(?<![\u03ac-\u03ce])[\u0386-\u03ab]|[«»–—“”\xa0]")),
)
# The first two bytes of the commonest ideographs: level 1 of JIS, GB 2312 and Big5.
_COMMON: dict[str, Callable[[bytes], bool]] = {
    "cp932": lambda pair: 0x82 <= pair[0] <= 0x98 and pair[0] != 0x85,
    "euc_jp": lambda pair: pair[0] in (0xA1, 0xA3, 0xA4, 0xA5) or 0xB0 <= pair[0] <= 0xCF,
    "gb18030": lambda pair: pair[0] in (0xA1, 0xA3) or (0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1),
    "big5": lambda pair: pair[0] == 0xA1 or 0xA4 <= pair[0] <= 0xC6,
    "cp949": lambda pair: 0xB0 <= pair[0] <= 0xC8 and pair[1] >= 0xA1,
}
_PLAUSIBLE_MIN = 0.85


def decode(data: bytes, declared: str | None = None) -> str:
    """Return `data` as text. `declared` is what the file or its sender claims; it is tried and not trusted.

    Never fails: what no charset explains is read as Windows-1252, the most common one on old machines.
    """
    for bom, charset in _BOMS:
        if data.startswith(bom):
            return data.removeprefix(codecs.BOM_UTF8).decode(charset, "replace")
    try:
        return _decode_utf8(data, declared)
    except UnicodeDecodeError:
        pass
    wide = _utf16_without_bom(data)
    if wide:
        return data.decode(wide, "replace")
    if declared and (text := _strict(data, declared)) is not None:
        return text
    return data.decode(detect_legacy(data), "replace")


def detect_legacy(data: bytes) -> str:
    """Return the name of the legacy charset that reads `data` most plausibly; `cp1252` where none stands out."""
    sample = data[:SAMPLE_BYTES]
    best, best_score = "cp1252", _PLAUSIBLE_MIN
    for charset, everyday in _EVERYDAY:
        # A sample may end inside a character.
        text = next((t for cut in range(3) if (t := _strict(sample[: len(sample) - cut], charset)) is not None), None)
        if text is None:
            continue
        score = _plausibility(text, everyday, charset)
        if score > best_score:
            best, best_score = charset, score
    return best


def _decode_utf8(data: bytes, declared: str | None) -> str:
    if _ISO_2022.search(data[:SAMPLE_BYTES]) and data[:SAMPLE_BYTES].isascii():
        text = _strict(data, "iso2022_jp_2")
        if text is not None:
            return text
    if declared and declared.lower().replace("_", "-") in ("utf-7", "hz", "hz-gb-2312"):
        # Both look like ASCII, and both have carried attacks; text in them is read as it stands.
        return data.decode("utf-8")
    text = data.decode("utf-8")
    # UTF-16 without its mark is often valid UTF-8 that is half NULs.
    if text.count("\x00") * 4 > len(text):
        raise UnicodeDecodeError("utf-8", data[:1], 0, 1, "half of it is NUL")
    return text


def _utf16_without_bom(data: bytes) -> str | None:
    sample = data[:SAMPLE_BYTES]
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd * 10 > half * 4 and even * 10 < half:
        return "utf-16-le"
    if even * 10 > half * 4 and odd * 10 < half:
        return "utf-16-be"
    return None


def _strict(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None


def _plausibility(text: str, everyday: re.Pattern[str], charset: str) -> float:
    foreign = [c for c in text if not c.isascii()]
    if not foreign:
        return 0.0
    common = _COMMON.get(charset)
    hits = len(everyday.findall(text))
    if common is None:
        return hits / len(foreign)
    pairs = [pair for c in foreign if len(pair := c.encode(charset, "ignore")) == 2]
    if not pairs:
        return 0.0
    kana_bonus = 0.02 if charset in ("cp932", "euc_jp") and re.search("[\u3040-\u30ff]", text) else 0.0
    return (hits + sum(map(common, pairs))) / (2 * len(foreign)) + kana_bonus
