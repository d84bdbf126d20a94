"""Damage to the bytes of a file, as disks, transfers and editors do it."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a bit flipped, a part cut out, overwritten, doubled or replaced by others, once to three times."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        end = min(len(content), at + draw(st.sampled_from([1, 2, 5, 40, 1000])))
        how = draw(st.sampled_from(["flip", "cut", "truncate", "overwrite", "double", "insert"]))
        if how == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del content[at:end]
        elif how == "truncate":
            del content[at:]
        elif how == "overwrite":
            content[at:end] = draw(st.binary(min_size=end - at, max_size=end - at))
        elif how == "double":
            content[at:at] = content[at:end]
        else:
            pieces = [b"null", b"[", b"{", b'"', b"\n", b"\0", b"\xff", b"-1", b"1e999", b"NaN", b"true", b"9" * 50]
            content[at:end] = draw(st.sampled_from(pieces) | st.binary(max_size=20))
    return bytes(content)
