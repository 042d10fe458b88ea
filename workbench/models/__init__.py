"""Which networks there are, where their weights come from, under which licence, and how they are loaded."""
