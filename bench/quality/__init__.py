"""`make bench-quality`: nDCG@10 of both legs and the hybrid on judged sets, beside bm25s."""
