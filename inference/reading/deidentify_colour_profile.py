"""A colour profile (ICC) with what colours need, and nothing of who made it, when and with which machine."""

import struct

# Tags that turn device colours into others. Descriptions, copyrights, names of devices and private tags are left out.
KEPT = (
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"A2B0", b"A2B1", b"A2B2",
    b"B2A0", b"B2A1", b"B2A2",
)  # fmt: skip
HEADER = 128
MOST_TAGS = 100
# Parts of the header: preferred program, date, maker, model, attributes, creator, id. They say nothing of colours.
BLANKED = ((4, 8), (24, 36), (48, 64), (80, 84), (84, 100))
DESCRIPTION = "colour profile"


def clean_profile(profile: bytes) -> bytes:
    """The profile without metadata; empty for what is none."""
    if len(profile) < HEADER + 4 or profile[36:40] != b"acsp":
        return b""
    (count,) = struct.unpack(">I", profile[HEADER : HEADER + 4])
    parts: dict[bytes, bytes] = {}
    for number in range(min(count, MOST_TAGS)):
        entry = profile[HEADER + 4 + 12 * number : HEADER + 16 + 12 * number]
        if len(entry) < 12:
            return b""
        name, at, length = struct.unpack(">4sII", entry)
        if name in KEPT:
            parts[name] = profile[at : at + length]
    if not parts:
        return b""
    text = DESCRIPTION.encode("ascii") + b"\0"
    parts[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    return _written(bytearray(profile[:HEADER]), parts)


def _written(header: bytearray, parts: dict[bytes, bytes]) -> bytes:
    for begin, end in BLANKED:
        header[begin:end] = b"\0" * (end - begin)
    table, body = b"", b""
    begin = HEADER + 4 + 12 * len(parts)
    for name, content in parts.items():
        table += struct.pack(">4sII", name, begin + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    whole = bytes(header) + struct.pack(">I", len(parts)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]
