"""The networks that can be used: where their weights come from, under which licence, and how they are loaded."""
