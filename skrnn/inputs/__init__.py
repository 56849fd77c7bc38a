"""The only place that knows in which containers users have their data."""
