"""How right a result is, compared with a truth or with another result; and how cases with a known truth are made."""
