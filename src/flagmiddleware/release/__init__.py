"""Release discipline: who flips what, how far in one step, who is hit, and how to get out.

Each module stands alone and is imported by name; nothing is imported here, so that a site which only decides flags
pays for none of it.
"""
