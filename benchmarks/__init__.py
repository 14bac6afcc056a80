"""Side-by-side measurements of the budgets: ours against the raw engine and against peers.

``python -m benchmarks`` runs them all; everything that is compared runs in the same run, in turn.
"""
