"""Plain text as it is read: sentences with their offsets, and the words that carry its meaning."""

from mainstay.platform.text.sentences import Unit, split_units
from mainstay.platform.text.words import Word, content_words, without_words

__all__ = ["Unit", "Word", "content_words", "split_units", "without_words"]
