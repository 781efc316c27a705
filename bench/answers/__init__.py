"""`make bench-answers`: right and wrong answers and refusals of the built-in model, on judged questions."""
