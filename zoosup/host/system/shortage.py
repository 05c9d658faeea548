"""What zoosup itself may be short of. Refuses to know where."""

import errno

OUR_WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of a spawn that are zoosup's own want of descriptors or memory, and no crash of a model."""
