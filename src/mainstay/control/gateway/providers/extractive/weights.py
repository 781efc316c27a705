"""Made by `python -m bench.fit_answers` from one half of the judged questions; not edited by hand."""

WEIGHTS = (1.0, 1.0, 1.5, 1.0, 1.5, 0.3, 1.5, -0.5)
BIAS = -6.0
# Below these log-odds nothing is quoted.
THRESHOLD = -2.3
