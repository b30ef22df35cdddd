"""What a policy would have earned, from logs alone: estimators, intervals, diagnostics and the verdict."""
