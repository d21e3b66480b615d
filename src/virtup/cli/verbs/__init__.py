"""The verbs, a module a family; loaded when one of the family is asked for."""
