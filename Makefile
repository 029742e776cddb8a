.PHONY: check lint test truth long bench

check: lint test

lint:
	ruff check .
	ruff format --check .
	mypy
	lint-imports

test:
	python -m pytest -n auto

truth:
	python -m tests.truth.scoreboard

long:
	DEPLOYGUARD_LONG=1 python -m pytest -n auto

bench:
	python -m tests.benchmarks.run
