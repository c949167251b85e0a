"""Our own queues, one for each project and GPU model: batch runs wait here when their share or the machines are full.

What waits here was sent to no datacenter and holds nothing of a quota. Whose turn it is follows from fair shares.
"""

from .entering import Held, foretold, hold
from .queue import Place, places_in, queue_of
from .releasing import release

__all__ = ["Held", "Place", "foretold", "hold", "places_in", "queue_of", "release"]
