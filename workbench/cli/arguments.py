"""Arguments that several commands take."""

from pathlib import Path

import click

RUN = click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path))
