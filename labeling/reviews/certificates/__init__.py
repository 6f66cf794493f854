"""Certificates: a sample of a frozen lot of proposals is judged, and what it proves lets the rest be accepted unseen.

The statistics are in inference/certificates; docs/certificate.md explains them to those who rely on them.
"""
