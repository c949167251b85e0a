"""Which licence a LICENSE file is, as an SPDX identifier, by the words that only it holds."""

import re

# The first whose phrases all occur, so the more special stand before the more general. A text cannot tell
# "only" from "or later" for the GNU licences: the stricter is written.
MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AGPL-3.0-only", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0-only", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1-only", ("gnu lesser general public license", "version 2.1")),
    ("GPL-3.0-only", ("gnu general public license", "version 3")),
    ("GPL-2.0-only", ("gnu general public license", "version 2")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("EUPL-1.2", ("european union public licence", "1.2")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",)),
    ("MIT", ("permission is hereby granted, free of charge, to any person obtaining a copy",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
    ("CC-BY-4.0", ("attribution 4.0 international",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
)


def guess(text: str) -> str:
    """The SPDX identifier, or nothing for a text of unknown words."""
    words = re.sub(r"\s+", " ", text[:60_000].lower())
    # The Apache and BSD texts come whole at the top; GNU's name stands in the first lines of its own only.
    head = words[:1_000]
    for identifier, phrases in MARKS:
        where = head if "GPL" in identifier else words
        if all(phrase in where for phrase in phrases):
            return identifier
    return ""
