"""What must be set for Ray around its import: variables of the environment before, loggers and warnings after."""

from __future__ import annotations

import logging
import os
import warnings

VARIABLES = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # our own callback writes the results
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed before its first epoch has no metrics
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # our own stops in seconds
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_WARN_THRESHOLD_S": "30",
    "TUNE_GLOBAL_CHECKPOINT_S": "60",  # nothing of ours depends on Tune's snapshots
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative data.root means what it says
    "RAY_AIR_NEW_OUTPUT": "0",  # verbose=0 is only silent with the old output
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TQDM_PATCH_PRINT": "0",
}

GCS_S = "15"
"""So long a Ray of our own waits for a gcs that is gone (Ray: 60 s), while it starts and nobody else can end it."""


def set_variables(local: bool) -> None:
    """Call before the first `import ray`; what is set already stays.

    local: workers use this interpreter (Ray rebuilds no uv environment for them).
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    if local:
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", GCS_S)


def silence_loggers() -> None:
    """Call after `import ray`: nothing of its and Optuna's advice is printed; a trial's errors are in the journal."""
    for name in ("ray", "ray.tune", "ray.data", "ray.train", "optuna", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"ray\..*")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(ray|google|pkg_resources|wandb).*")
