"""Pictures: what each experiment draws, of runs that may have been read from files."""
