"""How the bundled models were trained: scripts that anyone can run again on their own photographs and clips."""
