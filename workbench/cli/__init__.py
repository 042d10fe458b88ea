"""The command line ``workbench``: its commands, and what they write to the terminal."""
