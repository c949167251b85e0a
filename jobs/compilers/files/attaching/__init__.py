"""Attaches storages to one job on its node, by mounts of rclone's or by copies. Runs alone, as the operator.

``hold`` stays beside the job's tasks and keeps what is attached; ``wait_for_storages.py`` keeps them from starting
before it is there; ``end`` runs after the last of them, and ends when all that they wrote is on the storages.

    <mounts root>/<job>/<target>   what the tasks see: a mount, or a folder of copies
    <mounts root>/.state/<job>/    ours alone: caches, what was copied, how it goes

Nothing lies in the allocation's folder, which Nomad deletes through whatever is mounted in it. Copies are made as the
task's own user, since a link that the task plants could lead root anywhere. rclone is then a copy which that user may
run and not read: so the kernel hides its environment, with the storage's secrets, from the task.

Lines that begin with ``status:`` or ``progress:`` are read by Serai, those with ``failed:`` are shown to people.
"""
