"""What the three example shops have in common: the goods, the people and the sums, without any web framework."""
