"""`python -m afscope` is `afscope`."""

from afscope.cli.main import run

run()
