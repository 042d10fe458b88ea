"""``workbench app``: the page on which a video is dropped and its result downloaded.

The docstring of a command is its help text; its parameters are described by its options.
"""

import asyncio
import webbrowser
from pathlib import Path

import click

from workbench.cli.terminal import note


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8899, show_default=True, help="Port; 0 takes any that is free.")
@click.option("--no-browser", is_flag=True, help="Only write the address, and open no browser.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the run directories; what is dropped is copied there.",
)
def app(port: int, no_browser: bool, out: Path) -> None:  # numpydoc ignore=PR01
    """Open a page on which everybody can restore a video.

    Drop a video or a folder of pictures, see what was found, put it right by a click, download the result. The page is for this
    machine only; its address holds a token. Ctrl-C ends it; what is not finished goes on when it is opened again.
    """
    from workbench.app.server import serve

    def _announce(address: str) -> None:
        click.echo(address)
        note("Whoever has this address can use the page. Ctrl-C ends it.")
        if not no_browser:
            webbrowser.open(address)

    asyncio.run(serve(out, port, _announce))
