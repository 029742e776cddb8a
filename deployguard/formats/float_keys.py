"""Numbers as keys of mappings, as kubectl makes text of them."""

import math
from decimal import Decimal
from struct import pack, unpack

_SHORTEST = range(1, 10)  # digits that tell numbers of 32 bits apart
_MOST = 3.4028235677973366e38  # what rounds to the greatest finite number of 32 bits
_EXPONENTS = range(-4, 6)  # beyond them the exponent is written


def float_key(value: float) -> str:
    """Return a number as text: convertToJSONableObject of sigs.k8s.io/yaml.

    That is strconv.FormatFloat(value, 'g', -1, 32): what fits into 32 bits is left of it.
    """
    if not math.isfinite(value) or abs(value) > _MOST:
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    rounded = _rounded(value)
    digits = next(
        text
        for count in _SHORTEST
        if _rounded(float(text := f"{rounded:.{count - 1}e}")) == rounded
    )
    mantissa, _, exponent = digits.partition("e")
    if int(exponent) in _EXPONENTS:
        return f"{Decimal(digits):f}"
    return f"{mantissa}e{int(exponent):+03d}"


def _rounded(value: float) -> float:
    return float(unpack("f", pack("f", value))[0])
