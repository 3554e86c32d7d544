"""Why a run was otherwise than predicted: its causes, its messages one by one, and what it says of the steady state."""
