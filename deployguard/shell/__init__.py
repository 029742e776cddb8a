"""A partial evaluator for sh and bash: what a script starts, with which words and environment."""
