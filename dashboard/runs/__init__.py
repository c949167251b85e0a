"""Runs as pages and API show them: found, put beside each other, with what of ours belongs to them."""
