"""The documents that cross between website and workers: what each may hold, its bounds, and how older ones are read.

Pydantic models, frozen, that refuse unknown keys. Neither torch nor Django is imported here, so that both sides may
import it. This file imports nothing: the file commands (`boxwise fuse`) must not wait for pydantic, which they do not
need.
"""
