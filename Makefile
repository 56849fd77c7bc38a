# What a developer types; each works inside an activated virtual environment.
.PHONY: in test lint doc links bench clean debug

in:
	python -m pip install -e ".[dev,doc,plot,test]"

test:
	python -m pytest

lint:
	ruff check . && ruff format --check .
	cython-lint skrnn
	codespell
	mypy

doc:
	sphinx-build -W --keep-going -b html doc doc/_build/html

# The pages without running the examples, and whether each link in them leads somewhere.
links:
	sphinx-build -q -W --keep-going -b html -D plot_gallery=0 doc doc/_build/links
	python doc/check_links.py doc/_build/links

bench:
	cd benchmarks && asv continuous main HEAD

clean:
	rm -rf build dist *.egg-info doc/_build doc/auto_examples doc/generated
	find skrnn -name "*.so" -o -name "*.pyd" | xargs rm -f

debug:
	SKRNN_DEBUG=1 python setup.py build_ext --inplace
	python -m pytest
	python setup.py build_ext --inplace
