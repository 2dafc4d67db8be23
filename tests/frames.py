"""Messages of a log's socket, read as the page's script reads them."""

import struct

_HEAD, _TIME = struct.Struct(">QI"), struct.Struct(">QQ")


def unframe(message: bytes) -> tuple[int, list[tuple[int, int]], bytes]:
    """Offset, times and bytes of a message of ``jobs.logstore.hub.frame``."""
    offset, count = _HEAD.unpack_from(message)
    begin = _HEAD.size + count * _TIME.size
    return offset, list(_TIME.iter_unpack(message[_HEAD.size : begin])), message[begin:]
