"""Short tests that Serai runs on each machine: on demand and weekly; results are kept and shown.

``asking`` writes down that a node is to be tested; ``running``, in the watcher with one thread a cluster, sends the
jobs and reads what came of them; ``job`` and ``look`` are what runs on the node; ``findings`` says it in words.
"""
