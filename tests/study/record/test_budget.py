"""Budgets over all stages and sessions."""

from __future__ import annotations


def test_budgets(tmp_path) -> None:
    from types import SimpleNamespace

    from study.record.budget import Budget
    from study.settings.config import BudgetConfig

    recorder, clock = SimpleNamespace(epochs_done=9, gpu_hours=1.0), [0.0]

    def spent(hours_before=0.0, **limits):
        budget = Budget(BudgetConfig(**limits), recorder, hours_before, clock=lambda: clock[0])
        clock[0] += 1800
        return budget.spent()

    assert spent() is None
    assert spent(epochs=10, wall_clock_h=0.6, gpu_hours=1.1) is None
    assert spent(epochs=9) == "budget.epochs (9) reached"
    assert spent(hours_before=0.5, wall_clock_h=1) == "budget.wall_clock_h (1) reached"
    assert spent(gpu_hours=0.5) == "budget.gpu_hours (0.5) reached"
