"""Propose now: cells proposed by models that are there already, without a box and without a round."""
