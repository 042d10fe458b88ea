"""The command ``workbench``: what is typed, and what is said in answer."""
