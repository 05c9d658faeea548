"""Forms as clients send them."""

BOUNDARY = "zoo-0123456789"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    """Write a form of parts: what follows `Content-Disposition: form-data; `, and the value."""
    line = b"--" + boundary.encode()
    written = [
        b"%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (line, h.encode(), v) for h, v in parts
    ]
    return b"".join(written) + line + b"--\r\n"
