"""Many simulations: in threads, in processes or on a Dask cluster; cached and resumable.

many        run_many and run_each: which engine, where, in which order
jobs        one job and its answer; the choice between engines by measured cost
threads     a few jobs, or engines that cannot leave this process
processes   many jobs: a crew of worker processes, replaced when they fail, grow or get old
worker      the program of such a process
cluster     the same on dask.distributed
cache       answers on disk; entries is the form of one
recheck     a sample of jobs again, tighter and in a second simulator
progress    bar with rate and remaining time
"""

from cosim.runs.cache import Cache, CacheWarning
from cosim.runs.jobs import Answer, Job
from cosim.runs.many import run_each, run_many
from cosim.runs.recheck import Recheck, recheck
from cosim.runs.threads import available_cpus

__all__ = ["Answer", "Cache", "CacheWarning", "Job", "Recheck", "available_cpus", "recheck", "run_each", "run_many"]
