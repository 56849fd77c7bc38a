"""Forecasting: a linear forecast from a window of the past, and a network for the rest.

`windows` cuts windows out of series, `linear` fits the linear part, `network` the
correction, `folds` says what is tested on what, and `calibration` what the tests tell.
"""
