"""Databases as earlier versions of Boxwise left them, and the script that makes one (make.py)."""
