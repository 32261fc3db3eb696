"""QR codes as PNG."""

from __future__ import annotations

import base64
import io

from strongroom.errors import BadRequest

#: Modules of quiet around the code, as the standard wants.
_BORDER = 4


def png(text: str, pixels: int) -> str:
    """A QR code of a text as PNG in base64: as large as whole pixels a module allow, within `pixels` where possible.

    Raises:
        BadRequest: the text is too long.
    """
    import segno  # here: few servers ever draw one, and it is heavy

    try:
        code = segno.make_qr(text, error="m")
    except segno.DataOverflowError:
        raise BadRequest("the url is too long for a barcode") from None
    scale = max(pixels // (code.symbol_size(border=_BORDER)[0]), 1)
    out = io.BytesIO()
    code.save(out, kind="png", scale=scale, border=_BORDER)
    return base64.b64encode(out.getvalue()).decode()
