"""The analysis of time: pure functions on data frames. No Django, so that a bundle recomputes anywhere."""
