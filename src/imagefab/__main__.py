"""`python -m imagefab`."""

from imagefab.cli.main import main

main()
