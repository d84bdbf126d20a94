"""The stages of a study, and how a trial can end. Standard library only."""

from __future__ import annotations

SEARCH, CONFIRM, ABLATE = STAGES = ("search", "confirm", "ablate")
"""In their order; a study runs the first two unless it is asked for the last."""
BEST = "best"
"""What `ablate.to` says for the most accurate point."""

COMPLETED = "completed"  # ran its full budget
STOPPED = "stopped"  # the scheduler stopped it at a rung
FAILED = "failed"  # an error of its own
DIVERGED = "diverged"  # NaN or infinite loss
OUT_OF_MEMORY = "out_of_memory"
TIMED_OUT = "timed_out"
INTERRUPTED = "interrupted"  # the study was stopped while it ran, or its disk was full; a resume continues it
UNSUCCESSFUL = (FAILED, DIVERGED, OUT_OF_MEMORY, TIMED_OUT)  # ended by themselves, before their budget
STATUSES = (COMPLETED, STOPPED, FAILED, DIVERGED, OUT_OF_MEMORY, TIMED_OUT, INTERRUPTED)

RETRIES = {"failed": UNSUCCESSFUL, "interrupted": (INTERRUPTED,), "all": (*UNSUCCESSFUL, INTERRUPTED)}
"""What --retry may ask for, and the trials that are trained again then. A resume alone trains the interrupted ones."""
