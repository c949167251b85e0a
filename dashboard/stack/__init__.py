"""What ``dashboard.serve`` starts: one small file a part. Nothing here imports Django."""


class CannotStart(Exception):
    """Why Serai does not start, in a sentence that says what to do."""
