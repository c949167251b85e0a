"""What the agent answers when it cannot do as asked, in Nomad's own words and codes."""


class Refused(Exception):
    """A call that fails: the text is the whole answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def faults_text(faults: list[str]) -> str:
    """Nomad's way to list several faults in one answer."""
    count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
    return f"{count} occurred:\n" + "".join(f"\t* {fault}\n" for fault in faults) + "\n"
