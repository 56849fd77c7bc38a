"""Models: what a fit makes, as plain arrays and values, and how it predicts."""
