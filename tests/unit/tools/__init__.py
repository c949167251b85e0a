"""Tool files, and the tools that come with Serai."""
