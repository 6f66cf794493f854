"""Certificates of lots of cells: how a sample is planned and what it proves. Statistics only, no Django and no torch.

docs/certificate.md explains the method to those who rely on it.
"""
