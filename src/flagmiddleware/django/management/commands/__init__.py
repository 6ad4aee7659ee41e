"""``manage.py flags``."""
