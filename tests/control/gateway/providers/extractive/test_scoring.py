import numpy as np

from mainstay.control.gateway.models import Passage
from mainstay.control.gateway.providers.extractive.candidates import QuestionWords, find_candidates
from mainstay.control.gateway.providers.extractive.scoring import (
    RANKING_FEATURES,
    SUPPORT_FEATURES,
    Reading,
    ranking_features,
    ranking_log_odds,
    support_features,
    support_log_odds,
)
from mainstay.control.gateway.providers.extractive.weights import RANKING_WEIGHTS, SUPPORT_WEIGHTS

WORDS = QuestionWords.of("How long is the mast of the Plover?")
PASSAGES = (
    Passage(1, "plover.md", (), "The mast of the Plover is 2 m long. Paint it every year."),
    Passage(2, "b.md", (), "Masts are made of steel."),
)
QUESTION_VECTOR = np.array([1, 0], np.float32)


def reading() -> Reading:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    return Reading(WORDS, find_candidates(WORDS, PASSAGES), QUESTION_VECTOR, vectors, 0)


def test_there_is_a_weight_for_each_feature() -> None:
    assert len(RANKING_WEIGHTS) == len(RANKING_FEATURES) == len(set(RANKING_FEATURES))
    assert len(SUPPORT_WEIGHTS) == len(SUPPORT_FEATURES) == len(set(SUPPORT_FEATURES))


def test_ranking_features_are_what_their_names_say() -> None:
    assert [candidate.text for candidate in reading().candidates] == [
        "The mast of the Plover is 2 m long.",
        "Paint it every year.",
        "Masts are made of steel.",
    ]
    columns = dict(zip(RANKING_FEATURES, ranking_features(reading()).T, strict=True))
    np.testing.assert_allclose(columns["similarity"], [1, 0, 0.6], rtol=1e-6)
    np.testing.assert_allclose(columns["passage_similarity"], [1, 1, 0.6], rtol=1e-6)
    np.testing.assert_allclose(columns["rank"], [1, 1, 0.5])
    np.testing.assert_allclose(columns["supplies_wanted"], [1, -1, -1])
    assert columns["sentence_coverage"][0] == 1
    assert columns["passage_coverage"][1] == 1


def test_support_features_are_what_their_names_say() -> None:
    told = np.array([0.8, 0.6], np.float32)
    np.testing.assert_allclose(support_features(reading(), 0, 2.5, QUESTION_VECTOR), [2.5, 1, 0])
    np.testing.assert_allclose(support_features(reading(), 2, 2.5, told), [2.5, 0.8, 1], rtol=1e-6)
    np.testing.assert_allclose(support_features(reading(), 2, 2.5, None), [2.5, 0, 1])


def test_more_evidence_never_lowers_the_odds_of_a_sentence() -> None:
    rows = np.zeros((2, len(RANKING_FEATURES)))
    for name in ("similarity", "passage_similarity", "sentence_coverage", "context_coverage", "passage_coverage"):
        rows[1, RANKING_FEATURES.index(name)] = 1
        assert ranking_log_odds(rows)[1] > ranking_log_odds(rows)[0], name


def test_what_goes_missing_lowers_the_support() -> None:
    all_told = support_log_odds(np.array([0.0, 1.0, 0.0]))
    assert support_log_odds(np.array([0.0, 0.5, 0.0])) < all_told
    assert support_log_odds(np.array([0.0, 1.0, 0.5])) < all_told
    assert support_log_odds(np.array([1.0, 1.0, 0.0])) > all_told


def test_no_candidates_have_no_rows() -> None:
    nothing = Reading(WORDS, [], QUESTION_VECTOR, np.zeros((0, 2), np.float32), 0)
    assert ranking_features(nothing).shape == (0, len(RANKING_FEATURES))
