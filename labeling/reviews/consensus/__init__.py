"""One reading of several: the consensus of an image, and the decisions of a third person where readings differ."""
