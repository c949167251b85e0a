"""The watcher: one process that hears what the clusters say and keeps rows, logs and figures up to date.

Threads, all of them daemons: each may sit in a call to a cluster that does not answer, and the process must
still end at once. Nothing is lost by that: whoever starts next lists what there is.
"""
