"""Times as people say them."""

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def in_words(seconds: float) -> str:
    """``1 h 30 min``."""
    left, said = round(seconds), []
    for unit, length in UNITS:
        count, left = divmod(left, length)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said) or "0 s"
