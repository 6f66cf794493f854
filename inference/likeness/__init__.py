"""Which cells look alike, from vectors that an encoder made: files of vectors, orders, class suggestions, a map.

A leaf of NumPy alone: it runs in the interactive worker, which has no time to learn and forgets everything when it
restarts.
"""
