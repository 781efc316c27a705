import numpy as np

from mainstay.control.gateway.models import Passage
from mainstay.control.gateway.providers.extractive.candidates import find_candidates
from mainstay.control.gateway.providers.extractive.scoring import FEATURES, features, log_odds
from mainstay.control.gateway.providers.extractive.weights import WEIGHTS

QUESTION = "How long is the mast?"
PASSAGES = (
    Passage(1, "a.md", (), "The mast is 2 m long. Paint it every year."),
    Passage(2, "b.md", (), "Masts are made of steel."),
)


def test_there_is_a_weight_for_each_feature() -> None:
    assert len(WEIGHTS) == len(FEATURES) == len(set(FEATURES))


def test_features_are_what_their_names_say() -> None:
    candidates = find_candidates(QUESTION, PASSAGES)
    assert [candidate.text for candidate in candidates] == [
        "The mast is 2 m long.",
        "Paint it every year.",
        "Masts are made of steel.",
    ]
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    rows = features(QUESTION, candidates, np.array([1, 0], np.float32), vectors)
    columns = dict(zip(FEATURES, rows.T, strict=True))
    np.testing.assert_allclose(columns["similarity"], [1, 0, 0.6], rtol=1e-6)
    np.testing.assert_allclose(columns["passage_similarity"], [1, 1, 0.6], rtol=1e-6)
    np.testing.assert_allclose(columns["rank"], [1, 1, 0.5])
    np.testing.assert_allclose(columns["supplies_wanted"], [1, -1, -1])
    assert columns["sentence_coverage"][0] == 1
    assert columns["passage_coverage"][1] == 1


def test_more_support_never_lowers_the_odds() -> None:
    rows = np.zeros((2, len(FEATURES)))
    for name in ("similarity", "passage_similarity", "sentence_coverage", "context_coverage", "passage_coverage"):
        rows[1, FEATURES.index(name)] = 1
        assert log_odds(rows)[1] > log_odds(rows)[0], name


def test_no_candidates_have_no_rows() -> None:
    empty = np.zeros((0, 2), np.float32)
    assert features(QUESTION, [], np.zeros(2, np.float32), empty).shape == (0, len(FEATURES))
