"""What comes of decoding bytes that somebody else may have written."""

from __future__ import annotations

import msgspec

#: Not only MsgspecError: text may be no UTF-8, and nested deeper than the stack goes.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
