"""How right a result is, measured against a truth or another result; and the making of cases whose truth is known."""
