"""Metrics that stand for the whole product; the names are the interface of dashboards and alarms."""

from prometheus_client import Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

MODEL_TOKENS = Counter("mainstay_model_tokens", "Tokens by model and direction.", ["kind", "model", "direction"])
MODEL_COST = Counter("mainstay_model_cost_usd_nanos", "Cost of model calls in nano-USD.", ["kind", "model"])
MODEL_SECONDS = Histogram(
    "mainstay_model_seconds", "Time of a model call.", ["kind", "model", "outcome"], buckets=_SECONDS
)
# Apart from generation, so that a slow answer says which of the two was slow.
RETRIEVAL_SECONDS = Histogram("mainstay_retrieval_seconds", "Time of a search in the database.", buckets=_SECONDS)
# By which limit: that of a tenant, key, principal or address, or of everyone without a key.
REQUESTS_REFUSED = Counter("mainstay_requests_refused", "Requests over a limit, by whose it is.", ["subject", "window"])
