"""Workers: processes of this machine or actors of a Ray cluster, with the same results from both."""

from molvae.parallel.cores import available_cores
from molvae.parallel.mapping import Engine, ordered_map

__all__ = ["Engine", "available_cores", "ordered_map"]
