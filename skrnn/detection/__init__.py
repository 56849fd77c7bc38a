"""How improbable rows of series are, from forecasts and from what came before."""
