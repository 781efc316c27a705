"""Made by `python -m bench.answers.fit` from one half of the judged questions; not edited by hand.

The similarities are those of minilm-l6-v2-int8; with another embedding model they must be made again.
"""

RANKING_WEIGHTS = (
    1.336,  # similarity
    1.589,  # passage_similarity
    3.203,  # sentence_coverage
    0.929,  # context_coverage
    1.577,  # passage_coverage
    0.311,  # supplies_wanted
    2.069,  # rank
    -1.507,  # is_short
)
RANKING_BIAS = -8.389
SUPPORT_WEIGHTS = (
    0.962,  # ranking_log_odds
    2.083,  # meaning_told
    -1.565,  # missing_names
)
SUPPORT_BIAS = -1.230
# Below these log-odds of the best sentence nothing is quoted.
SUPPORT_MIN = -1.06
