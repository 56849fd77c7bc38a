"""What is fitted, as objects without an estimator in them."""
