"""How good a result is: metrics, what examples are compared by, baselines, the report and its
verdict."""
