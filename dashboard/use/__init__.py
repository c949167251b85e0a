"""Using a running module from its page: the form, its results, the same call as a script."""
