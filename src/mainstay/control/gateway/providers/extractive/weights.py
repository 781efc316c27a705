"""Made by `python -m bench.answers.fit` from one half of the judged questions; not edited by hand.

The similarities are those of minilm-l6-v2-int8; with another embedding model they must be made again.
"""

WEIGHTS = (
    1.674,  # similarity
    1.581,  # passage_similarity
    3.509,  # sentence_coverage
    0.882,  # context_coverage
    1.603,  # passage_coverage
    0.395,  # supplies_wanted
    2.187,  # rank
    -1.276,  # is_short
)
BIAS = -8.655
# Below these log-odds nothing is quoted.
THRESHOLD = -2.04
