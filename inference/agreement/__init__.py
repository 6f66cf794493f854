"""How far several readers of the same images agree, and what they agree on.

A leaf without Django and torch, which the website imports. readings.py says what goes in; grouping.py decides which
cells of different readers are one cell; coefficients.py, pairs.py and intervals.py make figures of that, report.py
puts them together, and consensus.py with shapes.py makes one reading of several.
"""
